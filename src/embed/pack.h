/* embed/pack.h - a model folder becomes one file that is mapped as it is.
 *
 * Owns:    nothing after it returns.
 * Threads: any; one output path at a time.
 * Limits:  lh_embed_model_info_record.
 * Formats: embed/layout.h.
 * Why:     weights in the order the kernels read them, a tokenizer that needs no building,
 *          checksums: opening costs the time to map and check, and every worker shares the same
 *          pages. */
#ifndef LH_EMBED_PACK_H
#define LH_EMBED_PACK_H

#include "embed/layout.h"

/* Reads folder (config.json, model.safetensors, vocab.txt ...) and writes the packed file; the
 * same folder gives the same bytes. out_path is replaced, after everything is written and
 * synced. precisions: bit 1 << lh_embed_precision for each that shall be there; 0: all.
 * *ret_info (may be NULL) = what was packed.
 * Errors: as lh_embed_model_info_read, lh_embed_safetensors_open, lh_embed_vocab_build;
 *          LH_E_NO_SPACE, LH_E_IO. */
LH_WARN_UNUSED lh_rc lh_embed_pack(lh_ctx *cx, lh_str folder, lh_str out_path, unsigned precisions,
                                   lh_embed_model_info *ret_info);

#endif
