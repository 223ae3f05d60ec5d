#include "comm/stall.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *const phase_text[] = {
#define TEXT(identifier, text, patient) text,
    LS_PHASE_LIST(TEXT)
#undef TEXT
};
static const bool is_patient[] = {
#define PATIENT(identifier, text, patient) patient,
    LS_PHASE_LIST(PATIENT)
#undef PATIENT
};

void ls_stall_look(ls_stall *s, double elapsed_s)
{
    const double watched_s = elapsed_s < 2 * s->period_s ? elapsed_s : 2 * s->period_s;
    s->still_s += watched_s;
    for (int r = 0; r < s->n; r++) {
        ls_seen *seen = &s->seen[r];
        const uint64_t steps = ls__board_read(&s->place[r].steps), beats = ls__board_read(&s->place[r].beats);
        if (steps != seen->steps) s->still_s = 0.0;
        seen->silent_s = beats != seen->beats ? 0.0 : seen->silent_s + watched_s;
        seen->steps = steps;
        seen->beats = beats;
    }
}

static uint64_t where(const ls_stall *s, int r)
{
    return ls__board_read(&s->place[r].where);
}

static bool has_left(const ls_stall *s, int r)
{
    return ls_place_phase(where(s, r)) == LS_PHASE_END;
}

/* A thread beats once a period; a busy host makes it late. */
static double longest_silence(const ls_stall *s)
{
    return 3 * s->period_s + 1.0;
}

static bool runs(const ls_stall *s, int r)
{
    return s->seen[r].silent_s <= longest_silence(s);
}

static bool waits(const ls_stall *s, int r)
{
    return ls_place_wait(where(s, r)) != LS_WAIT_NONE;
}

int ls_stall_speaker(const ls_stall *s)
{
    for (int r = 0; r < s->n; r++)
        if (runs(s, r) && !has_left(s, r)) return r;
    return -1;
}

static bool is_ending(const ls_stall *s)
{
    for (int r = 0; r < s->n; r++)
        if (ls_place_phase(where(s, r)) == LS_PHASE_ABORT) return true;
    return false;
}

double ls_stall_seconds(const ls_stall *s)
{
    bool all_patient = true, all_wait = true, patient_work = false;
    if (is_ending(s)) return 0.0;
    for (int r = 0; r < s->n; r++) {
        if (has_left(s, r)) continue;
        if (!runs(s, r)) return s->still_s;
        const bool patient = is_patient[ls_place_phase(where(s, r))];
        all_patient = all_patient && patient;
        all_wait = all_wait && waits(s, r);
        patient_work = patient_work || (patient && !waits(s, r));
    }
    if (all_patient || patient_work) return 0.0;
    if (!all_wait) return s->still_s;
    const double noticed_s = s->still_s - longest_silence(s); /* since a rank that stopped while it waited would be */
    return noticed_s < 0.8 * s->still_s ? noticed_s : 0.8 * s->still_s;
}

typedef struct text {
    char *out;
    size_t n, at;
} text;

static void put(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->out + t->at, t->n - t->at, format, args);
    va_end(args);
    t->at = n < 0 ? t->at : t->at + (size_t)n < t->n ? t->at + (size_t)n : t->n - 1;
}

/* "rank 3", "ranks 0-2, 5": those that are listed */
static void put_ranks(text *t, const ls_stall *s)
{
    int n = 0;
    for (int r = 0; r < s->n; r++) n += s->seen[r].listed;
    put(t, n == 1 ? "rank " : "ranks ");
    const char *separator = "";
    for (int r = 0; r < s->n; r++) {
        if (!s->seen[r].listed) continue;
        int last = r;
        while (last + 1 < s->n && s->seen[last + 1].listed) last++;
        put(t, last > r ? "%s%d-%d" : "%s%d", separator, s->first_rank + r, s->first_rank + last);
        separator = ", ";
        r = last;
    }
}

/* Lists those that the others wait for: ranks that do not run, or else ranks that do not wait.  Returns their number.
 */
static int list_causes(ls_stall *s)
{
    bool all_run = true;
    int n = 0;
    for (int r = 0; r < s->n; r++) all_run = all_run && (runs(s, r) || has_left(s, r));
    for (int r = 0; r < s->n; r++) {
        s->seen[r].listed = !has_left(s, r) && (all_run ? !waits(s, r) : !runs(s, r));
        n += s->seen[r].listed;
    }
    return n;
}

/* Lists the ranks that are where rank `lead` is; *since is the earliest time. */
static void list_group(ls_stall *s, int lead, uint64_t *since)
{
    *since = UINT64_MAX;
    for (int r = 0; r < s->n; r++) {
        ls_seen *seen = &s->seen[r];
        seen->listed = where(s, r) == where(s, lead) && runs(s, r) == runs(s, lead);
        seen->told = seen->told || seen->listed;
        const uint64_t ns = ls__board_read(&s->place[r].since_ns);
        if (seen->listed && ns < *since) *since = ns;
    }
}

static void put_group(text *t, ls_stall *s, int lead, double now)
{
    static const char *const waiting[] = {"", ", waiting for ranks of this node", ", waiting for messages"};
    uint64_t since;
    const uint64_t at = where(s, lead);
    list_group(s, lead, &since);
    put(t, "\nlockstep:   ");
    put_ranks(t, s);
    put(t, ": %s", phase_text[ls_place_phase(at)]);
    if (ls_place_iteration(at) > 0) put(t, " of iteration %" PRId64, ls_place_iteration(at));
    put(t, "%s, for %.0f s", waiting[ls_place_wait(at)], now - 1e-9 * (double)since);
    if (!runs(s, lead)) put(t, "; the process does not run (stopped?)");
}

size_t ls_stall_text(ls_stall *s, double now, char *out, size_t n)
{
    text t = {out, n, 0};
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    put(&t, "nothing has moved on node %d (%s) for %.0f s; it waits for ", s->node, host, s->still_s);
    if (list_causes(s) > 0)
        put_ranks(&t, s);
    else
        put(&t, s->n_nodes > 1 ? "another node" : "nobody: every rank waits");
    for (int r = 0; r < s->n; r++) s->seen[r].told = has_left(s, r);
    for (int r = 0; r < s->n; r++)
        if (!s->seen[r].told) put_group(&t, s, r, now);
    return t.at;
}
