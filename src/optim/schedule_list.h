/* The schedules that a configuration may name; a new one is one row here and one file. */
LS_SCHEDULE(constant)
LS_SCHEDULE(step)
LS_SCHEDULE(multistep)
LS_SCHEDULE(cosine)
LS_SCHEDULE(linear)
LS_SCHEDULE(polynomial)
LS_SCHEDULE(inverse_sqrt)
LS_SCHEDULE(one_cycle)
