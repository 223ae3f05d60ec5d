# What MPI needs in tests: run as root, more ranks than cores, several jobs at once.  Source it before mpirun.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp  # no probing of network hardware: a quicker MPI_Init
export OMPI_MCA_btl_vader_single_copy_mechanism=none # no messages where process_vm_readv is forbidden
export OMPI_MCA_rmaps_base_oversubscribe=1           # more ranks than cores
export OMPI_MCA_hwloc_base_binding_policy=none       # tests side by side must not share one core
export OMPI_MCA_mpi_yield_when_idle=1                # waiting ranks leave the core to the others
# Open MPI 5 has other names for some of these, MPICH for one; none minds those of the others.
export OMPI_MCA_smsc=^cma,xpmem,knem
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
export MPIR_CVAR_POLLS_BEFORE_YIELD=1
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
