# cmake --preset package && cmake --build --preset package && cpack --preset deb: Debian packages of what is installed,
# `lockstep` to use and `lockstep-dev` to build on.  They depend on what dpkg-shlibdeps finds, and on the launcher.
set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_VENDOR lockstep)
set(CPACK_PACKAGE_CONTACT "lockstep maintainers <maintainers@lockstep.example>" CACHE STRING "maintainer of the packages")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Runtime Development)
set(CPACK_DEB_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME lockstep)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "synchronous data-parallel training of neural networks on CPUs
lockstep trains neural networks with Open MPI between the processes and
OpenBLAS inside them. Ranks share every batch, and one iteration is one
synchronized update of all parameters. A configuration gives bit-identical
results on any number of ranks.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS openmpi-bin)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/triggers)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS "gnuplot-nox | gnuplot")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SUGGESTS "bash-completion, dataset-fashion-mnist")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME lockstep-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "headers and static library of lockstep
The library of lockstep, which trains neural networks on CPUs, for programs
that bring their own layers, optimizers or data readers.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "lockstep (= ${PROJECT_VERSION}), libopenmpi-dev, libopenblas-dev, libyaml-dev, \
libjansson-dev, libxxhash-dev, zlib1g-dev")
include(CPack)
