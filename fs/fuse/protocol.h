/*
 * protocol.h: checks that a request has the form of its opcode (linux/fuse.h, protocol 7.39). A lane checks each
 * request before libfuse decodes it, which does not check.
 */
#ifndef RAFTKV_FS_FUSE_PROTOCOL_H
#define RAFTKV_FS_FUSE_PROTOCOL_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_STATX 52u /* FUSE_STATX, which Debian 12's linux/fuse.h lacks */

/* Whether the fixed part is complete, names end with NUL, and data is as long as the request says. `size`: bytes
 * read, at least a header. Unknown opcodes are valid here; libfuse refuses them. */
bool protocol_is_valid(const struct fuse_in_header *header, size_t size);
/* False: a request with this opcode gets no reply. */
bool protocol_has_answer(uint32_t opcode);

#endif
