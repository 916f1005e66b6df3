/*
 * siphash.h: SipHash-2-4, a keyed hash whose output cannot be steered without the key.
 *
 * Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF" (2012); the test vectors are the paper's.
 */
#ifndef RAFTKV_FS_SCHEMA_SIPHASH_H
#define RAFTKV_FS_SCHEMA_SIPHASH_H

#include <stdint.h>

#include "proto/buf.h"

uint64_t siphash(const uint64_t key[2], struct slice bytes);

#endif
