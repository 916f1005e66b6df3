/*
 * hash.h: uthash. Where there is no memory for a table, the process ends as by check(), with a line, and not by exit(3),
 * which would run exit handlers beside other threads. A file that can go on defines HASH_NONFATAL_OOM first.
 */
#ifndef RAFTKV_PROTO_HASH_H
#define RAFTKV_PROTO_HASH_H

#include "proto/check.h"

#define uthash_fatal(message) check_failed(message ": a hash table", __FILE__, __LINE__, __func__)

#include <uthash.h>

#endif
