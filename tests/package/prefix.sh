#!/usr/bin/env bash
# A build without root from a prefix of one's own, as conda and Spack make them: all libraries are found below
# CMAKE_PREFIX_PATH, while the system's headers are hidden, and what is installed finds them when it runs.
# usage: prefix.sh DIRECTORY, which holds prefix and build while the test runs
directory=$1
skip() {
    echo "skipped: $*"
    exit 77
}
. "$(dirname "$0")/../cli/lib.sh"
may_mount || skip "no mount namespaces here: the system's libraries cannot be hidden"
mpicc --showme:version 2>/dev/null | grep -q 'Open MPI' || skip "mpicc is not that of Open MPI"
modules="openblas yaml-0.1 jansson libxxhash zlib"
rm -rf "$directory"
prefix=$directory/prefix
mkdir -p "$prefix"/{bin,include,lib/pkgconfig}
trap 'rm -rf "$work" "$directory"' EXIT
trap 'exit 1' TERM INT
hidden=() # headers and .pc files of the system; its libraries must stay, compilers run with them

# take_library NAME: libNAME.so under the name that programs look for
take_library() {
    local file name
    file=$(cc -print-file-name="lib$1.so" ${2:+-L"$2"})
    [ "${file#/}" != "$file" ] || file=$2/lib$1.so
    name=$(objdump -p "$file" | awk '$1 == "SONAME" { print $2 }')
    cp "$(realpath "$file")" "$prefix/lib/$name"
    ln -sf "$name" "$prefix/lib/lib$1.so"
}

# paths_of FLAGS HEADER...: of all files that the preprocessor reads
paths_of() {
    local flags=$1
    shift
    # shellcheck disable=SC2086 # words
    printf '#include <%s>\n' "$@" | cc -E -M $flags - | tr -s ' \\' '\n' | grep '^/'
}

# take_headers HEADER...: what the preprocessor finds of them, and what they include of the same library
take_headers() {
    local path
    for path in $(paths_of "$(pkg-config --cflags $modules)" "$@"); do
        case $(basename "$path") in
            yaml.h | jansson*.h | xxh*.h | zlib.h | zconf.h | cblas.h | openblas*.h) cp "$path" "$prefix/include" && hidden+=("$path") ;;
        esac
    done
}

take_modules() {
    local module pc
    for module in $modules; do
        pc=$(pkg-config --variable=pcfiledir "$module")/$module.pc
        sed -E "s|^prefix=.*|prefix=$prefix|; s|^libdir=.*|libdir=$prefix/lib|; s|^includedir=.*|includedir=$prefix/include|" \
            "$pc" >"$prefix/lib/pkgconfig/$module.pc"
        hidden+=("$pc")
    done
}

# Open MPI's wrapper tells of other directories when variables say so.
take_mpi() {
    cp -r "$(dirname "$(paths_of "$(mpicc --showme:compile)" mpi.h | grep '/mpi\.h$')")"/. "$prefix/include"
    take_library mpi "$(mpicc --showme:libdirs | cut -d' ' -f1)"
    printf '#!/bin/sh\nexec env OPAL_LIBDIR=%q OPAL_INCLUDEDIR=%q %q "$@"\n' "$prefix/lib" "$prefix/include" \
        "$(command -v mpicc)" >"$prefix/bin/mpicc"
    chmod +x "$prefix/bin/mpicc"
}

# hide COMMAND...: runs it where the system's files are empty
hide() {
    in_mounts 'n=$1; shift; for file in "${@:1:n}"; do mount --bind /dev/null "$(realpath "$file")" || exit 99; done; "${@:n+1}"' \
        hide ${#hidden[@]} "${hidden[@]}" "$@"
}

take_headers yaml.h jansson.h xxhash.h zlib.h cblas.h
for library in yaml jansson xxhash z; do take_library $library; done
take_library openblas "$(pkg-config --variable=libdir openblas)"
take_modules
take_mpi
check "files to hide" [ ${#hidden[@]} -ge 12 ]
# ---- build and install ----
log=$directory/log
configure() { hide cmake -S "$LS_SOURCE" -B "$directory/build" -DCMAKE_BUILD_TYPE=Release "$@" >"$log" 2>&1; }
n_checks=$((n_checks + 1))
configure && fail "the system's libraries are not hidden"
rm -rf "$directory/build"
check "configure" configure -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_INSTALL_PREFIX="$directory/installed"
[ "$n_failed" = 0 ] && check "build" hide cmake --build "$directory/build" -j "$(nproc)" >>"$log" 2>&1
[ "$n_failed" = 0 ] && check "install" cmake --install "$directory/build" >>"$log" 2>&1
[ "$n_failed" = 0 ] || { tail -20 "$log"; finish; }
for variable in OPENBLAS YAML JANSSON XXHASH; do
    check "the cache: $variable" grep -Eq "^${variable}_LIBDIR:INTERNAL=$prefix/lib/?$" "$directory/build/CMakeCache.txt"
done
check "the cache: zlib" grep -q "^ZLIB_LIBRARY_RELEASE:FILEPATH=$prefix/lib/libz.so$" "$directory/build/CMakeCache.txt"
check "the cache: MPI" grep -q "^MPI_mpi_LIBRARY:FILEPATH=$prefix/lib/libmpi.so$" "$directory/build/CMakeCache.txt"

check "no library of the system is linked" [ -z "$(grep -Eo '/usr/[^ ]*lib(mpi|openblas|yaml|jansson|xxhash|z)\.so' \
    "$directory/build/CMakeFiles/lockstep.dir/link.txt")" ]

# ---- run ----
program=$directory/installed/bin/lockstep
unset LD_LIBRARY_PATH
ldd "$program" >libraries
for library in libmpi libopenblas libyaml libjansson libxxhash libz; do
    check "$library is that of the prefix" grep -q "^[[:space:]]*$library[.-].* => $prefix/lib/" libraries
done
check "no path into the build" [ -z "$(objdump -p "$program" | grep -E 'R(UN)?PATH' | grep "$directory/build")" ]
LOCKSTEP=$program
small_config c.yaml
expect_exit 0 "done: the run is complete" run_np 0 train c.yaml --run-dir one
expect_exit 0 "done: the run is complete" run_np 2 train c.yaml --run-dir two
same "the same bits on 2 ranks" "$(hash_of one/latest)" "$(hash_of two/latest)"
for file in share/man/man1/lockstep.1.gz share/bash-completion/completions/lockstep share/lockstep/configs/fashion_mlp.yaml; do
    check "$file is installed" [ -s "$directory/installed/$file" ]
done
same "launch/run starts what is installed with it" "$program" \
    "$("$directory/installed/share/lockstep/launch/run" -n 2 --dry-run info 2>/dev/null | grep -o "[^ ]*bin/lockstep")"

for script in slurm.sbatch slurm-array.sbatch; do
    check "$script finds launch/run beside an installed lockstep" grep -q 'launch/run: --requeue is for batch jobs' <(
        env -u SLURM_JOB_ID -u LOCKSTEP_ROOT SLURM_SUBMIT_DIR="$work" PATH="$directory/installed/bin:$PATH" \
            bash "$directory/installed/share/lockstep/launch/$script" c.yaml 2>&1)
done

# ---- launch/setup, of a user who can install nothing ----
mkdir tools
for tool in bash dirname grep cc gcc make cmake git pkg-config; do ln -s "$(command -v $tool)" tools; done
for stub in 'apt-get exit 1' 'dpkg-query exit 1' 'id echo 1000'; do
    printf '#!/bin/sh\n%s\n' "${stub#* }" >"tools/${stub%% *}"
    chmod +x "tools/${stub%% *}"
done
ln -s "$(command -v mpirun)" "$prefix/bin/mpirun"
setup() { env -i PATH="$work/tools" PKG_CONFIG_LIBDIR=/nowhere "$@" bash "$LS_SOURCE/launch/setup" build >"$work/said" 2>&1; }
check "launch/setup is content with the prefix" setup CMAKE_PREFIX_PATH="$prefix"
n_checks=$((n_checks + 1))
setup && fail "launch/setup is content with nothing"
check "launch/setup says what is missing" grep -q 'CMAKE_PREFIX_PATH.*libopenmpi-dev libopenblas-dev libyaml-dev' said
finish
