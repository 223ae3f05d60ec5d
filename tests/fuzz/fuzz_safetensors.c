/* safetensors files: foreign ones, checkpoints, and weights for a model. */
#include "fuzz.h"

#include "base/hash.h"
#include "lockstep/checkpoint.h"
#include "train/safetensors.h"

static void read_tensors(const ls_safetensors *file, const char *path)
{
    for (int i = 0; i < ls_safetensors_n_tensors(file); i++) {
        char text[128];
        const ls_stored_tensor *t = ls_safetensors_tensor(file, i);
        if (ls_safetensors_find(file, t->name) == NULL) abort();
        ls_stored_text(t, text);
        float *numbers = t->n <= FUZZ_MOST_BYTES ? ls_calloc((size_t)t->n + 1, sizeof *numbers) : NULL;
        if (numbers != NULL) ls_stored_floats(t, numbers);
        ls_free(numbers);
    }
    ls_safetensors_metadata(file, "config");
    ls_safetensors_check_hash(file, path);
}

/* Puts the true hash where the bytes name one, or no changed checkpoint would be looked into. */
static void sign(char *bytes, size_t n)
{
    static const char key[] = "\"xxh3\":\"";
    char *at = n > 0 ? memmem(bytes, n, key, sizeof key - 1) : NULL, text[LS_HASH_DIGITS + 1];
    if (at == NULL || bytes + n - (at + sizeof key - 1) < LS_HASH_DIGITS) return;
    memset(at + sizeof key - 1, '0', LS_HASH_DIGITS);
    ls_hash_text(ls_hash_bytes(bytes, n), text);
    memcpy(at + sizeof key - 1, text, LS_HASH_DIGITS);
}

static const char *put_signed(const uint8_t *bytes, size_t n)
{
    char *copy = ls_calloc(n + 1, 1);
    if (copy == NULL) abort();
    memcpy(copy, bytes, n);
    sign(copy, n);
    const char *path = fuzz_put("f.safetensors", copy, n);
    ls_free(copy);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *path = put_signed(bytes, n);
    ls_safetensors *file;
    ls_checkpoint *checkpoint;
    if (ls_safetensors_open(path, &file) == LS_OK) read_tensors(file, path);
    ls_safetensors_close(&file);
    if (ls_checkpoint_open(path, &checkpoint) == LS_OK) ls_checkpoint_close(&checkpoint);
    return 0;
}
