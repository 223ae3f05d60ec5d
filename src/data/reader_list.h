/* The formats that ls_dataset_open knows; a new one is one row here and one file. */
LS_READER(idx)
LS_READER(npy)
LS_READER(csv)
LS_READER(cifar)
LS_READER(synthetic)
