/* Evaluations and reads a second on a region in memory, one thread. Lines: metric<TAB>value<TAB>unit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/check.h"
#include "tests/lib/fs_harness.h"

#define FILES	   50000u
#define READS	   300000u
#define WRITES	   20000u
#define BIG_WRITES 300u

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print_rate(const char *metric, uint32_t count, double begun)
{
	printf("%s\t%.0f\t/s\n", metric, count / (now() - begun));
}

static uint64_t make_file(struct fs_harness *fs, uint64_t parent, uint32_t number)
{
	char name[16];
	int64_t ino;

	snprintf(name, sizeof name, "file%u", number);
	ino = fs_make(fs, parent, name, S_IFREG | 0644);
	check(is_ino(ino));
	return (uint64_t)ino;
}

static void bench_names(struct fs_harness *fs, uint64_t parent)
{
	struct attributes attributes;
	double begun = now();
	char name[16];

	for (uint32_t i = 0; i < FILES; i++)
		make_file(fs, parent, i);
	print_rate("fs_create", FILES, begun);
	begun = now();
	for (uint32_t i = 0; i < READS; i++) {
		snprintf(name, sizeof name, "file%u", i * 7919u % FILES);
		check(read_lookup(fs->view, parent, text(name), &attributes) == 0);
	}
	print_rate("fs_lookup", READS, begun);
	begun = now();
	for (uint32_t i = 0; i < READS; i++)
		check(read_attributes(fs->view, attributes.ino, &attributes) == 0);
	print_rate("fs_getattr", READS, begun);
	begun = now();
	for (uint32_t i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "file%u", i);
		check(fs_unlink(fs, parent, name, false) == 0);
	}
	print_rate("fs_unlink", FILES, begun);
}

static void bench_writes(
	struct fs_harness *fs, const char *metric, uint32_t count, uint32_t size, uint64_t room)
{
	uint64_t ino = make_file(fs, FS_ROOT_INO, size);
	uint8_t *bytes = calloc(1, size);
	double begun;

	check(bytes != NULL);
	begun = now();
	for (uint32_t i = 0; i < count; i++)
		check(fs_harness_write(fs, ino, (uint64_t)i * 7919u * size % room, 0, bytes, size) == 0);
	print_rate(metric, count, begun);
	free(bytes);
}

int main(void)
{
	struct fs_harness fs;

	fs_harness_init(&fs, 1);
	bench_names(&fs, (uint64_t)fs_make(&fs, FS_ROOT_INO, "directory", S_IFDIR | 0755));
	bench_writes(&fs, "fs_write_4k", WRITES, 4096, 64u << 20);
	bench_writes(&fs, "fs_write_1m", BIG_WRITES, 1u << 20, 64u << 20);
	fs_harness_close(&fs);
	return 0;
}
