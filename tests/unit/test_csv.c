#include "unit/data_files.h"

static const float *features(const loaded *l)
{
    return l->set.features;
}

static void assert_floats(const float *found, const float *expected, int n)
{
    for (int i = 0; i < n; i++)
        if (found[i] != expected[i]) fail_msg("number %d: found %g, expected %g", i, found[i], expected[i]);
}

static void a_table_with_header(void **state)
{
    (void)state;
    put_text("t", "height,\"kind, \"\"of\"\"\",width,note\n1.5,3,-2e1,x\n0.1,0, 4 ,\"y,z\"\n");
    loaded l = load_set("{format: csv, file: t, label: 'kind, \"of\"', ignore: note}");
    const float expected[] = {1.5f, -20, 0.1f, 4};
    assert_int_equal(l.set.info.n_samples, 2);
    assert_int_equal(l.set.info.n_features, 2);
    assert_int_equal(l.set.info.n_dim, 1);
    assert_int_equal(l.set.info.dim[0], 2);
    assert_int_equal(l.set.info.label_kind, LS_LABEL_CLASS);
    assert_floats(features(&l), expected, 4);
    assert_int_equal(l.set.labels[0], 3);
    assert_int_equal(l.set.labels[1], 0);
    close_set(&l);
}

static void a_table_without_header(void **state)
{
    (void)state;
    put_text("t", "7,1,2\r\n8,3,4\r\n9,5,6\r\n\r\n\n");
    loaded l = load_set("{format: csv, file: t, label: 0}");
    const float expected[] = {1, 2, 3, 4, 5, 6}, all[] = {7, 1, 2, 8, 3, 4, 9, 5, 6};
    assert_int_equal(l.set.info.n_samples, 3);
    assert_floats(features(&l), expected, 6);
    assert_int_equal(l.set.labels[2], 9);
    assert_int_equal(load_source(&l), LS_OK); /* again */
    assert_floats(features(&l), expected, 6);
    close_set(&l);
    l = load_set("{format: csv, file: t}");
    assert_int_equal(l.set.info.label_kind, LS_LABEL_NONE);
    assert_floats(features(&l), all, 9);
    close_set(&l);
    l = load_set("{format: csv, file: t, limit: 2, label: 2}");
    assert_int_equal(l.set.info.n_samples, 2);
    assert_int_equal(l.set.labels[1], 4);
    close_set(&l);
}

static void header_choices(void **state)
{
    (void)state;
    put_text("t", "1,2\n3,4\n5,6");
    loaded l = load_set("{format: csv, file: t, header: true, label: '2'}");
    assert_int_equal(l.set.info.n_samples, 2);
    assert_int_equal(l.set.labels[0], 4);
    close_set(&l);
    l = load_set("{format: csv, file: t, header: false}");
    assert_int_equal(l.set.info.n_samples, 3);
    close_set(&l);
    put_text("t", "\xEF\xBB\xBF"
                  "a,b\n3,4\n");
    l = load_set("{format: csv, file: t, label: a}");
    assert_int_equal(l.set.labels[0], 3);
    close_set(&l);
    put_text("t", "a,b\n3,4\n");
    assert_refused("{format: csv, file: t, header: false}", LS_EDATA, "/t:1: column '0'", "found 'a'");
}

static void targets_keep_their_order(void **state)
{
    (void)state;
    put_text("t", "a;b;c;d\n1;2;3;4\n5;6;7;8\n");
    const float expected_targets[] = {3, 1, 7, 5}, expected_features[] = {2, 4, 6, 8}, one[] = {2, 6};
    loaded l = load_set("{format: csv, file: t, delimiter: ;, targets: [c, 0]}");
    assert_int_equal(l.set.info.label_kind, LS_LABEL_VALUES);
    assert_int_equal(l.set.info.n_targets, 2);
    assert_null(l.set.labels);
    assert_floats(l.set.targets, expected_targets, 4);
    assert_floats(features(&l), expected_features, 4);
    close_set(&l);
    l = load_set("{format: csv, file: t, delimiter: ;, targets: b, ignore: [a, d]}");
    assert_int_equal(l.set.info.n_features, 1);
    assert_floats(l.set.targets, one, 2);
    close_set(&l);
}

static void delimiters(void **state)
{
    (void)state;
    const float expected[] = {1, 2};
    static const char *const texts[] = {"1\t2\n", "1\t2\n", "1 2\n", "1|2\n"};
    static const char *const specs[] = {
        "{format: csv, file: t, delimiter: tab}", "{format: csv, file: t, delimiter: \"\\t\"}",
        "{format: csv, file: t, delimiter: ' '}", "{format: csv, file: t, delimiter: '|'}"};
    for (int i = 0; i < 4; i++) {
        put_text("t", texts[i]);
        loaded l = load_set(specs[i]);
        assert_int_equal(l.set.info.n_features, 2);
        assert_floats(features(&l), expected, 2);
        close_set(&l);
    }
    assert_not_opened("{format: csv, file: t, delimiter: ab}", LS_EUSAGE, "'delimiter' must be one character", "'ab'");
    assert_not_opened("{format: csv, file: t, delimiter: ''}", LS_EUSAGE, "'delimiter' must be one character", "");
    assert_not_opened("{format: csv, file: t, delimiter: ~}", LS_EUSAGE, "'delimiter' must be one character", "null");
    assert_not_opened("{format: csv, file: t, delimiter: '1'}", LS_EUSAGE, "'delimiter' must be one character", "");
    assert_not_opened("{format: csv, file: t, delimiter: '\"'}", LS_EUSAGE, "'delimiter' must be one character", "");
}

static void wrong_columns(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *word;
    } cases[] = {
        {"{format: csv, file: t, label: spacies}", "has no column 'spacies'; did you mean 'species'?"},
        {"{format: csv, file: t, label: something else}", "has no column 'something else'; the first is 'species'"},
        {"{format: csv, file: t, label: 4}", "has no column '4'; it has the columns 0 to 3"},
        {"{format: csv, file: t, label: -1}", "has no column '-1'"},
        {"{format: csv, file: t, label: 99999999999999999999}", "has no column"},
        {"{format: csv, file: t, label: twice}", "has two columns 'twice'"},
        {"{format: csv, file: t, label: 0, ignore: [species]}", "'ignore': the column 'species' is used twice"},
        {"{format: csv, file: t, targets: [1, 1]}", "'targets': the column '1' is used twice"},
        {"{format: csv, file: t, label: 0, targets: 1}", "not both"},
        {"{format: csv, file: t, targets: {a: 1}}", "'targets' must be a column or a list"},
        {"{format: csv, file: t, targets: [[0]]}", "'targets' must be a column or a list"},
        {"{format: csv, file: t, ignore: []}", "'ignore' must be a column or a list"},
        {"{format: csv, file: t, ignore: [0, 1, 2, 3]}", "no column is left"},
        {"{format: csv, file: ~}", "needs the text file 'file'"},
        {"{format: csv, file: t, header: maybe}", "must be one of: auto, true, false"},
        {"{format: csv, file: t, lable: 0}", "did you mean 'label'?"},
    };
    put_text("t", "species,a,twice,twice\n1,2,3,4\n");
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        assert_not_opened(cases[c].spec, LS_EUSAGE, "test.yaml:1", cases[c].word);
    put_text("t", "1,2\n");
    assert_not_opened("{format: csv, file: t, label: a}", LS_EUSAGE, "has no column 'a'", "");
}

static void wrong_fields(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"a,b\n1,2\n3\n", "/t:3: expected 2 fields, found 1"},
        {"a,b\n1,2\n3,4,5\n", "/t:3: expected 2 fields, found 3"},
        {"a,b\n1,2\n3,\n", "/t:3: column 'b': expected a class, a whole number from 0"},
        {"a,b\nx,2\n", "/t:2: column 'a': expected a number ('ignore' leaves columns out), found 'x'"},
        {"a,b\n0x10,2\n", "/t:2: column 'a': expected a number ('ignore' leaves columns out), found '0x10'"},
        {"a,b\n1.5.2,2\n", "/t:2: column 'a': expected a number"},
        {"a,b\nnan,2\n", "/t:2: column 'a': expected a finite number, found 'nan'"},
        {"a,b\n1,2\n-inf,2\n", "/t:3: column 'a': expected a finite number"},
        {"a,b\n1e39,2\n", "/t:2: column 'a': expected a finite number, found '1e39'"},
        {"a,b\n1,1.5\n",
         "/t:2: column 'b': expected a class, a whole number from 0 (number classes that have names), found '1.5'"},
        {"a,b\n1,-1\n", "/t:2: column 'b': expected a class"},
        {"a,b\n1,nan\n", "/t:2: column 'b': expected a class"},
        {"a,b\n1,2147483648\n", "/t:2: column 'b': expected a class"},
        {"a,b\n1,2\n\n3,4\n", "/t:3: expected fields, found an empty line"},
        {"a,b\n\"1,2\n", "/t:2: expected a closing quote"},
        {"a,b\n\"1\"3,2\n", "/t:2: expected ',' or the end of the line after a quoted field, found '3'"},
        {"\"a,b\n1,2\n", "/t:1: expected a closing quote"},
        {"a,b\n", "/t:2: expected a sample after the header"},
        {"", "/t:1: expected a line of fields, found an empty file"},
        {"\n\n", "found an empty file"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        put_text("t", cases[c].text);
        assert_refused("{format: csv, file: t, label: 1}", LS_EDATA, "/t:", cases[c].word);
    }
    put_bytes("t", "a,b\n1,\0002\n", 9);
    assert_refused("{format: csv, file: t}", LS_EDATA, "/t:2: expected text, found a zero byte", "");
    put_text("t", "a,b\n1,2\n3,4\n5,x\n"); /* behind the limit too */
    assert_refused("{format: csv, file: t, limit: 1}", LS_EDATA, "/t:4: column 'b'", "found 'x'");
    assert_not_opened("{format: csv, file: nowhere.csv}", LS_EDATA, "nowhere.csv", "not found");
}

/* A long first line and many short ones must not make the caller allocate their product. */
static void short_lines_are_refused_while_opening(void **state)
{
    (void)state;
    char text[4096];
    memset(text, '\n', sizeof text);
    for (int i = 0; i < 2000; i++) text[i] = i % 2 == 0 ? '1' : ',';
    text[1999] = '\n';
    for (size_t i = 2000; i < sizeof text; i += 2) text[i] = '1';
    put_bytes("t", text, sizeof text);
    assert_not_opened("{format: csv, file: t}", LS_EDATA, "/t:2: expected 1000 fields, found 1", "");
}

static void a_file_that_changes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {{"1,2\n3,4\n5,6\n", "now it has more"},
                 {"1,2\n", "now it has fewer"},
                 {"", "now it has fewer"},
                 {"1,2\n3,4,5\n", "expected 2 fields, found 3"},
                 {"1,2,3,4,5,6,7,8,9\n", "expected 2 fields, found 9"},
                 {"1\n2\n", "expected 2 fields, found 1"}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        loaded l;
        put_text("t", "1,2\n3,4\n");
        assert_int_equal(open_source(&l, "{format: csv, file: t}"), LS_OK);
        put_text("t", cases[c].text); /* the same file, written again */
        assert_int_equal(load_source(&l), LS_EDATA);
        assert_message(cases[c].word);
        close_set(&l);
    }
}

static void random_bytes_never_crash(void **state)
{
    (void)state;
    static const char alphabet[] = "01,.;\"\n\r-e x\xEF";
    uint64_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        char text[64];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[i] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
        }
        put_bytes("t", text, sizeof text - (size_t)(round % 60));
        loaded l;
        ls_status status = open_source(&l, "{format: csv, file: t}");
        if (status == LS_OK) status = load_source(&l);
        assert_true(status == LS_OK || status == LS_EDATA);
        close_set(&l);
    }
}

/* A hole of a terabyte costs no disk, and its first byte no memory; a line longer than any buffer is refused. */
static void holes_and_endless_lines(void **state)
{
    (void)state;
    enum { LINE = 17 << 20 };
    char path[128];
    put_text("t", "1,2\n3,4");
    assert_int_equal(truncate(test_path("t", path), (off_t)1 << 40), 0);
    assert_not_opened("{format: csv, file: t}", LS_EDATA, "/t:2: expected text, found a zero byte", "");
    char *line = ls_calloc(LINE, 1);
    assert_non_null(line);
    put_bytes("t", memset(line, '1', LINE), LINE);
    ls_free(line);
    assert_not_opened("{format: csv, file: t}", LS_EDATA, "/t:1: a line of more than 16777216 bytes", "");
    put_text("t", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_with_header),
        cmocka_unit_test(a_table_without_header),
        cmocka_unit_test(header_choices),
        cmocka_unit_test(targets_keep_their_order),
        cmocka_unit_test(delimiters),
        cmocka_unit_test(wrong_columns),
        cmocka_unit_test(wrong_fields),
        cmocka_unit_test(short_lines_are_refused_while_opening),
        cmocka_unit_test(a_file_that_changes),
        cmocka_unit_test(random_bytes_never_crash),
        cmocka_unit_test(holes_and_endless_lines),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
