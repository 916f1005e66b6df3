/*
 * protocol.h: whether the bytes of a request are what its opcode says (linux/fuse.h, protocol 7.39). A lane asks before
 * libfuse gets them, which believes them.
 */
#ifndef RAFTKV_FS_FUSE_PROTOCOL_H
#define RAFTKV_FS_FUSE_PROTOCOL_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_STATX 52u /* FUSE_STATX, which Debian 12's linux/fuse.h lacks */

/* The fixed part is all there, names end, data is as long as it claims. `size` bytes were read, at least a header.
 * Opcodes that are not known are valid: they are refused as such. */
bool protocol_is_valid(const struct fuse_in_header *header, size_t size);
/* False: nothing may be sent back. */
bool protocol_has_answer(uint32_t opcode);

#endif
