/* The layers that a model may name; a new one is one row here and one file. */
LS_LAYER(dense)
LS_LAYER(flatten)
LS_LAYER(relu)
LS_LAYER(tanh)
LS_LAYER(sigmoid)
LS_LAYER(gelu)
LS_LAYER(dropout)
