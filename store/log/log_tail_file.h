/* log_tail_file.h: the format of a log's tail (log_tail.h). Private to the files of log_tail. */
#ifndef RAFTKV_STORE_LOG_LOG_TAIL_FILE_H
#define RAFTKV_STORE_LOG_LOG_TAIL_FILE_H

#include "store/log/log_tail.h"

#define LOG_TAIL_HEADER_SIZE   4096 /* bytes of the file before the records */
#define LOG_TAIL_ALIGNMENT     64
#define LOG_TAIL_RECORD_HEADER 32

/* Makes the file, empty, of `size` bytes, durably. 0 or -errno. *Blocks.* */
int log_tail_file_make(
	struct env *env, const char *path, uint64_t size, uint64_t epoch, struct env_file **file);
void log_tail_header_encode(uint8_t block[LOG_TAIL_HEADER_SIZE], uint64_t epoch);
/* The size of a record that holds the write. */
uint64_t log_tail_record_size(const struct log_write *write);
/* Encodes it into `bytes`, `size` of them, which is its size. */
void log_tail_record_encode(uint8_t *bytes, uint64_t size, const struct log_write *write, uint64_t number,
	uint64_t durable, uint64_t epoch);

#endif
