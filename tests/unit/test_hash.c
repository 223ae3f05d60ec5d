#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

/* xxHash's own sanity buffer: bytes of a generator that starts at 2654435761. */
static void fill(uint8_t *bytes, size_t n)
{
    uint64_t generator = 2654435761u;
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
}

/* Known answers of XXH3-64 with seed 0, from xxHash's sanity test (XSUM_sanity_check.c). */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint64_t hash;
    } cases[] = {{0, UINT64_C(0x2D06800538D394C2)},    {1, UINT64_C(0xC44BDFF4074EECDB)},
                 {6, UINT64_C(0x27B56A84CD2D7325)},    {12, UINT64_C(0xA713DAF0DFBB77E7)},
                 {24, UINT64_C(0xA3FE70BF9D3510EB)},   {48, UINT64_C(0x397DA259ECBA1F11)},
                 {80, UINT64_C(0xBCDEFBBB2C47C90A)},   {195, UINT64_C(0xCD94217EE362EC3A)},
                 {403, UINT64_C(0xCDEB804D65C6DEA4)},  {512, UINT64_C(0x617E49599013CB6B)},
                 {2048, UINT64_C(0xDD59E2C3A5F038E0)}, {2240, UINT64_C(0x6E73A90539CF2948)}};
    uint8_t bytes[2240];
    fill(bytes, sizeof bytes);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        if (ls_hash_bytes(bytes, cases[c].n) != cases[c].hash)
            fail_msg("%zu bytes: %016llx", cases[c].n, (unsigned long long)ls_hash_bytes(bytes, cases[c].n));
}

static void pieces_give_the_hash_of_the_whole(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 3, 64, 255, 256, 257, 1000, 2239};
    uint8_t bytes[2240];
    fill(bytes, sizeof bytes);
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        ls_hash *hash;
        assert_int_equal(ls_hash_create(&hash), LS_OK);
        assert_int_equal(ls_hash_value(hash), UINT64_C(0x2D06800538D394C2));
        for (size_t at = 0; at < sizeof bytes; at += steps[s]) {
            const size_t rest = sizeof bytes - at;
            ls_hash_add(hash, bytes + at, rest < steps[s] ? rest : steps[s]);
            ls_hash_add(hash, bytes, 0);
            ls_hash_value(hash); /* reading changes nothing */
        }
        assert_int_equal(ls_hash_value(hash), UINT64_C(0x6E73A90539CF2948));
        ls_hash_destroy(&hash);
        assert_null(hash);
    }
}

static void texts(void **state)
{
    (void)state;
    char text[LS_HASH_DIGITS + 1];
    ls_hash_text(UINT64_C(0x2d06800538d394c2), text);
    assert_string_equal(text, "2d06800538d394c2");
    ls_hash_text(0xAB, text);
    assert_string_equal(text, "00000000000000ab");
    ls_hash_text(UINT64_MAX, text);
    assert_string_equal(text, "ffffffffffffffff");
}

static void destroying_nothing(void **state)
{
    (void)state;
    ls_hash *none = NULL;
    ls_hash_destroy(&none);
    ls_hash_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(pieces_give_the_hash_of_the_whole),
        cmocka_unit_test(texts),
        cmocka_unit_test(destroying_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
