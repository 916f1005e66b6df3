/* checksum.h: the checksum of stored bytes, XXH3 (64 bits, seeded). It detects damage, not forgery. */
#ifndef RAFTKV_STORE_DISK_CHECKSUM_H
#define RAFTKV_STORE_DISK_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum_of(const void *bytes, size_t size, uint64_t seed);

#endif
