/* info man: the manual page, in the macros of man(7).  Commands, flags, keys and exit codes come from their tables. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "ls_version.h"
#include "study/file.h"
#include "train/config_keys.h"

enum { LINE = 76 };

/* What stands for a byte that roff would take for markup or typeset as another. */
static const char *escape_of(char c)
{
    switch (c) {
    case '\\':
        return "\\e";
    case '-':
        return "\\-";
    case '\'':
        return "\\(aq";
    case '`':
        return "\\(ga";
    case '^':
        return "\\(ha";
    case '~':
        return "\\(ti";
    case '|':
        return "|\\:"; /* a line may end here */
    default:
        return NULL;
    }
}

/* Text within a line. */
static void literal(const char *text, ls_text *out)
{
    for (; *text != 0; text++) {
        const char *escape = escape_of(*text);
        if (escape != NULL)
            ls_text_add(out, escape, strlen(escape));
        else
            ls_text_add(out, text, 1);
    }
}

/* A line that begins with a dot would be a request. */
static void line(const char *text, ls_text *out)
{
    if (*text == '.') ls_text_printf(out, "\\&");
    literal(text, out);
    ls_text_printf(out, "\n");
}

/* Text of any length, in lines of the source that are cut at spaces. */
static void prose(const char *text, ls_text *out)
{
    char cut[LINE + 1];
    while (strlen(text) > LINE) {
        size_t n = LINE;
        while (n > 0 && text[n] != ' ') n--;
        if (n == 0) break;
        memcpy(cut, text, n);
        cut[n] = 0;
        line(cut, out);
        text += n + 1;
    }
    line(text, out);
}

/* An entry of a list: a bold word, what follows it in italics (NULL: nothing), and what it means. */
static void entry(const char *word, const char *value, const char *meaning, ls_text *out)
{
    ls_text_printf(out, ".TP\n\\fB");
    literal(word, out);
    ls_text_printf(out, "\\fR");
    if (value != NULL) {
        ls_text_printf(out, " \\fI");
        literal(value, out);
        ls_text_printf(out, "\\fR");
    }
    ls_text_printf(out, "\n");
    prose(meaning, out);
}

static void add_command(const ls_command *c, ls_text *out)
{
    ls_flag_text flag;
    ls_text_printf(out, ".SS \"lockstep ");
    literal(c->name, out);
    ls_text_printf(out, " ");
    literal(c->usage, out);
    ls_text_printf(out, "\"\n");
    prose(c->summary, out);
    for (int i = 0; ls_args_flag(c->bit, i, &flag); i++) entry(flag.name, flag.value, flag.help, out);
}

static void add_keys(const ls_option *table, ls_text *out)
{
    for (const ls_option *row = table; row->key != NULL; row++) {
        ls_text type = {0};
        ls_option_type(row, &type);
        ls_text_printf(&type, row->fallback ? "; default %s" : "; required", row->fallback);
        entry(row->key, type.data != NULL ? type.data : "", row->help, out);
        out->failed |= type.failed;
        ls_text_free(&type);
    }
}

static void add_exit_codes(ls_text *out)
{
    ls_text_printf(out, ".SH \"EXIT STATUS\"\n");
    for (int s = 0; s < LS_STATUS_COUNT; s++) {
        char code[16];
        snprintf(code, sizeof code, "%d", ls_status_exit_code((ls_status)s));
        entry(code, NULL, ls_status_meaning((ls_status)s), out);
    }
}

static void add_environment(ls_text *out)
{
    ls_text_printf(out, ".SH ENVIRONMENT\n");
    entry("OPENBLAS_NUM_THREADS", NULL,
          "Threads that OpenBLAS starts with; 1 unless set. runtime.blas_threads raises the number later.", out);
    entry("OPENBLAS_CORETYPE", NULL,
          "Kernel type of OpenBLAS, as Haswell; by default that of the processor. Ranks must agree on it, and results "
          "are bit-identical for one kernel type.",
          out);
    entry("OMPI_MCA_*", NULL, "Parameters of Open MPI; see mpirun(1).", out);
}

static void add_files(ls_text *out)
{
    ls_text_printf(out, ".SH FILES\n");
    entry("DIR/ckpt-N.safetensors", NULL, "Checkpoint of a run after N iterations; DIR is the run directory.", out);
    entry("DIR/latest", NULL, "Link to the newest checkpoint.", out);
    entry("DIR/metrics.jsonl", NULL, "What the run measured, a JSON object a line.", out);
    entry("/dev/shm/lockstep-*", NULL,
          "Memory that the ranks of a node share. What a killed job left is removed by the next one.", out);
    entry("PREFIX/share/lockstep/configs", NULL, "Configurations to start from.", out);
    entry("PREFIX/share/lockstep/launch", NULL,
          "run starts lockstep on a machine, a list of hosts or in a Slurm allocation; slurm.sbatch and "
          "slurm-array.sbatch are batch jobs. PREFIX is where lockstep is installed, as /usr.",
          out);
}

static void add_examples(ls_text *out)
{
    for (const ls_command *c = ls__commands; c->name != NULL; c++) {
        ls_text_printf(out, c == ls__commands ? ".SH EXAMPLES\n" : ".PP\n");
        prose(c->summary, out);
        ls_text_printf(out, ".PP\n.nf\n.RS 4\n");
        line(c->example, out);
        ls_text_printf(out, ".RE\n.fi\n");
    }
}

static void add_description(ls_text *out)
{
    ls_text_printf(out, ".SH DESCRIPTION\n");
    prose("lockstep trains neural networks: the ranks that mpirun starts share every batch, and one iteration is one "
          "synchronized update of all parameters.",
          out);
    prose("The same configuration gives bit-identical parameters, losses and metrics on any number of ranks, on one "
          "machine or several, resumed or not.",
          out);
    prose("The batch size is that of all ranks together.", out);
    ls_text_printf(out, ".PP\n");
    prose("A run is described by a configuration, a YAML file. Any of its keys can be set on the command line by "
          "--set KEY=VALUE, and the frequent ones have flags.",
          out);
    prose("--flag VALUE and --flag=VALUE mean the same.", out);
}

void ls__man_print(ls_text *out)
{
    ls_text_printf(
        out, ".\\\" Made by 'lockstep info man'.\n.TH LOCKSTEP 1 %s \"lockstep %s\" \"User Commands\"\n.nh\n.ad l\n",
        LS_DATE, LS_VERSION);
    ls_text_printf(out, ".SH NAME\nlockstep \\- ");
    line(LS_WHAT_IT_IS, out);
    ls_text_printf(out, ".SH SYNOPSIS\n[\\fBmpirun \\-np\\fR \\fIP\\fR] \\fBlockstep\\fR \\fICOMMAND\\fR "
                        "[\\fIargument\\fR ...]\n.br\n\\fBlockstep\\fR [\\fICOMMAND\\fR] \\fB\\-\\-help\\fR\n.br\n"
                        "\\fBlockstep \\-\\-version\\fR\n");
    add_description(out);
    ls_text_printf(out, ".SH COMMANDS\n");
    for (const ls_command *c = ls__commands; c->name != NULL; c++) add_command(c, out);
    ls_text_printf(out, ".SH \"KEYS OF A CONFIGURATION\"\n");
    prose("Layers, losses, optimizers, schedules, formats and augmentations have options of their own: 'lockstep info' "
          "lists them.",
          out);
    add_keys(ls__config_keys, out);
    ls_text_printf(out, ".SH \"KEYS OF A STUDY\"\n");
    add_keys(ls__study_keys, out);
    add_exit_codes(out);
    add_environment(out);
    add_files(out);
    add_examples(out);
    ls_text_printf(out, ".SH \"SEE ALSO\"\n.BR mpirun (1),\n.BR gnuplot (1)\n");
}
