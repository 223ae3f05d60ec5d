# Writes ls_version.h: the version, the commit that this build is made of and its date.  Touched only when it changes.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
execute_process(COMMAND git -C ${SOURCE} log -1 --format=%cs OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(failed OR NOT EXISTS ${SOURCE}/.git)
  set(commit "unknown")
  string(TIMESTAMP date "%Y-%m-%d" UTC) # or that of SOURCE_DATE_EPOCH
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define LS_VERSION \"${VERSION}\"\n#define LS_COMMIT \"${commit}\"\n#define LS_DATE \"${date}\"\n")
