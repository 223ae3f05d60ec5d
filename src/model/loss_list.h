/* The losses that a configuration may name; a new one is one row here and one file. */
LS_LOSS(softmax_cross_entropy)
LS_LOSS(mse)
