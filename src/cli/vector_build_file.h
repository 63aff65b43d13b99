/* cli/vector_build_file.h - a segment built of a file of rows: under its name it is whole, or not
 * there.
 *
 * Owns:    nothing when it returns.
 * Threads: the caller's, and options.build_threads of the build.
 * Limits:  one build of a name at a time (LH_E_CONFLICT).
 * Formats: NAME.part is the segment while it is written, NAME.build what finished phases of a long
 *          build made (src/vector/vector_keep.c).
 * Why:     who stops a build of an hour, or loses the machine, gives the same command again. */
#ifndef LH_CLI_VECTOR_BUILD_FILE_H
#define LH_CLI_VECTOR_BUILD_FILE_H

#include "cli/vector_files.h"
#include "cli/vector_options.h"

/* A file that stands alone, unless --rows says otherwise; what was done is kept until it is there.
 * LH_E_ALREADY_EXISTS. ret_build_s: of the build alone. */
LH_WARN_UNUSED lh_rc lh_vector_build_kept(lh_ctx *cx, const lh_vector_cli *o,
                                          const lh_f32_rows *base, lh_str path,
                                          double *ret_build_s);
/* For bench: rows stay in --base unless --rows says otherwise, nothing is kept. */
LH_WARN_UNUSED lh_rc lh_vector_build_file(lh_ctx *cx, const lh_vector_cli *o,
                                          const lh_f32_rows *base, lh_str path,
                                          double *ret_build_s);

#endif
