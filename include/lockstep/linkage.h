/** How what the public headers declare is linked: as C, also from C++, and exported by the shared library, which hides
 *  all else.  Every public header stands between these two words. */
#ifndef LOCKSTEP_LINKAGE_H
#define LOCKSTEP_LINKAGE_H

#ifdef __cplusplus
#define LS__BEGIN_C extern "C" {
#define LS__END_C   }
#else
#define LS__BEGIN_C
#define LS__END_C
#endif

/** A function that does not return. */
#define LS_NORETURN __attribute__((noreturn))

/* clang-format off */
#define LS_BEGIN_DECLS _Pragma("GCC visibility push(default)") LS__BEGIN_C
#define LS_END_DECLS LS__END_C _Pragma("GCC visibility pop")
/* clang-format on */

#endif
