/* The steps that data.augment may name; a new one is one row here and one file. */
LS_AUGMENT(random_crop)
LS_AUGMENT(random_flip)
LS_AUGMENT(cutout)
