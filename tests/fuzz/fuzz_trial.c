/* Records of a study's trials, and tables of batch sizes and steps for `lockstep fit`. */
#include "fuzz.h"

#include "study/fit_table.h"
#include "study/record.h"
#include "study/trial.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *path = fuzz_put("f", bytes, n);
    ls_trial trial;
    ls_fit_table *table;
    if (ls_trial_read(path, &trial) == LS_OK) {
        char name[LS_TRIAL_NAME];
        ls_text text = {0};
        ls_trial_name(&trial.key, name);
        ls_trial_looks_json(&trial, trial.iterations, &text);
        ls_text_free(&text);
        ls_trial_destroy(&trial);
    }
    if (ls__fit_table_read(path, &table) == LS_OK) ls__fit_table_destroy(&table);
    return 0;
}
