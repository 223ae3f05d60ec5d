/* info completion: a bash script that completes commands, flags and their values, from the tables that --help prints.
 *
 * A usage or the value of a flag is read as help writes it: words in small letters are offered as they stand, FILE and
 * its like ask for a file, DIR for a directory, KEY=VALUE for a key. */
#include <ctype.h>
#include <string.h>

#include "cli/command.h"
#include "study/file.h"
#include "train/config_keys.h"

static const char head[] =
    "# bash completion of lockstep; made by 'lockstep info completion'.\n"
    "_lockstep_offer() # WORDS [ACTION of compgen]: what may stand in place of $current\n"
    "{\n"
    "    mapfile -t COMPREPLY < <(compgen ${2:+-A \"$2\"} -W \"$1\" -- \"$current\")\n"
    "    if [ -n \"${2:-}\" ]; then compopt -o filenames; elif [[ ${COMPREPLY-} == *= ]]; then compopt -o nospace; fi\n"
    "}\n\n";

static const char body[] = "_lockstep()\n"
                           "{\n"
                           "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
                           "    # readline cuts --flag=value in three\n"
                           "    if [ \"$current\" = = ]; then\n"
                           "        current=\n"
                           "    elif [ \"$before\" = = ]; then\n"
                           "        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
                           "    fi\n"
                           "    COMPREPLY=()\n";

/* How help names what a word stands for, and what compgen calls it. */
static const struct {
    const char *name, *action;
} places[] = {{"FILE", "file"},       {"PATH", "file"},  {"CONFIG", "file"},
              {"CHECKPOINT", "file"}, {"STUDY", "file"}, {"DIR", "directory"}};

static const char *action_of(const char *word, size_t n)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const size_t length = strlen(places[i].name);
        if (n >= length && strncmp(word, places[i].name, length) == 0) return places[i].action;
    }
    return NULL;
}

/* A call of _lockstep_offer for a usage such as "[keys|model CONFIG] [flags]". */
static void offer(const char *usage, const char *keys, ls_text *out)
{
    static const char separators[] = " []|";
    const char *action = NULL;
    ls_text_printf(out, "_lockstep_offer \"");
    if (strcmp(usage, "KEY=VALUE") == 0) ls_text_printf(out, "$%s", keys);
    for (size_t n; *(usage += strspn(usage, separators)) != 0; usage += n) {
        n = strcspn(usage, separators);
        const bool flags = n == 5 && strncmp(usage, "flags", n) == 0;
        if (islower((unsigned char)*usage) && !flags) ls_text_printf(out, "%.*s ", (int)n, usage);
        if (action == NULL) action = action_of(usage, n);
    }
    ls_text_printf(out, "\"%s%s", action != NULL ? " " : "", action != NULL ? action : "");
}

static void add_keys(const char *name, const ls_option *table, ls_text *out)
{
    ls_text_printf(out, "    local %s='", name);
    for (const ls_option *row = table; row->key != NULL; row++)
        ls_text_printf(out, "%s%s=", row == table ? "" : " ", row->key);
    ls_text_printf(out, "'\n");
}

static void add_command(const ls_command *c, ls_text *out)
{
    const char *keys = c->bit == LS_CMD_STUDY ? "study_keys" : "config_keys";
    ls_flag_text flag;
    ls_text_printf(out, "        %s)\n            case $before in\n", c->name);
    for (int i = 0; ls_args_flag(c->bit, i, &flag); i++) {
        if (flag.value == NULL) continue;
        ls_text_printf(out, "                %s) ", flag.name);
        offer(flag.value, keys, out);
        ls_text_printf(out, "; return ;;\n");
    }
    ls_text_printf(out, "            esac\n            case $current in\n                -*) _lockstep_offer \"");
    for (int i = 0; ls_args_flag(c->bit, i, &flag); i++) ls_text_printf(out, "%s%s", i > 0 ? " " : "", flag.name);
    ls_text_printf(out, "\" ;;\n                *) ");
    offer(c->usage, keys, out);
    ls_text_printf(out, " ;;\n            esac\n            ;;\n");
}

void ls__completion_print(ls_text *out)
{
    ls_text_printf(out, "%s%s", head, body);
    add_keys("config_keys", ls__config_keys, out);
    add_keys("study_keys", ls__study_keys, out);
    ls_text_printf(out, "    if [ \"$COMP_CWORD\" = 1 ]; then\n        _lockstep_offer \"");
    for (const ls_command *c = ls__commands; c->name != NULL; c++) ls_text_printf(out, "%s ", c->name);
    ls_text_printf(out, "--help --version\"\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    for (const ls_command *c = ls__commands; c->name != NULL; c++) add_command(c, out);
    ls_text_printf(out, "    esac\n}\n\ncomplete -F _lockstep lockstep\n");
}
