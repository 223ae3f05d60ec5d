/* The schedules that a configuration may name; a new one is one row here and one file. */
LS_SCHEDULE(constant)
LS_SCHEDULE(step)
LS_SCHEDULE(cosine)
LS_SCHEDULE(linear)
