/*
 * How long a check of a large filesystem takes, and how much memory: a store of INODES (default 200,000; a hundred files
 * a directory, each a small one) is made by writing its rows, then inspected and checked as fsck.raftkv does.
 *
 *   INODES=10000000 build/tests/bench/fs_check_bench
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "fs/check/check.h"
#include "fs/embedded.h"
#include "fs/eval/eval.h"
#include "proto/check.h"
#include "proto/env_uv.h"
#include "store/kv/kv_rocksdb.h"
#include "tests/lib/test.h"

#define FILES_PER_DIRECTORY 100
#define BATCH_DIRECTORIES   100
#define FIRST_DIRID	    1000

struct bench {
	struct logger logger;
	char directory[128];
	char path[160];
	struct kv_engine *kv;
	struct kv_batch *batch;
};

static void put(struct bench *bench, const struct fs_key *inner, struct slice value)
{
	struct key key;

	key_row(&key, 0, KEY_DATA, fs_key_slice(inner));
	bench->kv->ops->batch_put(bench->batch, key_slice(&key), value);
}

static void put_inode(struct bench *bench, const struct inode *inode)
{
	struct fs_key key = fs_key_inode(inode->attributes.ino);
	uint8_t bytes[512];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	inode_encode(inode, &writer);
	put(bench, &key, writer_written(&writer));
}

static void put_count(struct bench *bench, uint64_t inodes)
{
	struct fs_key inner = fs_key_counter(COUNTER_INODES);
	uint8_t bytes[16];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct key key;

	counter_encode(inodes, &writer);
	key_row(&key, CLUSTER_REGION, KEY_LOCAL, fs_key_slice(&inner));
	bench->kv->ops->batch_put(bench->batch, key_slice(&key), writer_written(&writer));
}

static void put_entry(
	struct bench *bench, const struct inode *parent, uint64_t number, const struct inode *child)
{
	struct entry entry = {.ino = child->attributes.ino, .type = child->attributes.mode & S_IFMT};
	char text[32];
	struct slice name = {
		text, (size_t)snprintf(text, sizeof text, "name-%llu", (unsigned long long)number)};
	struct fs_key key = fs_key_entry(parent->attributes.ino, fs_name_hash(parent->seed, name), name);
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	entry_encode(&entry, &writer);
	put(bench, &key, writer_written(&writer));
}

static void put_file(struct bench *bench, const struct inode *directory, uint32_t number)
{
	uint64_t ino = fs_ino(directory->creation_dirid, FS_SEQ_FIRST + number);
	struct inode file = {
		.attributes = {.ino = ino, .generation = 1, .mode = S_IFREG | 0644, .nlink = 1, .size = 64},
		.data = INODE_DATA_TINY,
		.tiny_size = 64,
		.cut = INODE_CUT_NONE,
	};
	struct fs_key key = fs_key_tiny(ino);
	char content[65] = {1};

	put_inode(bench, &file);
	put_entry(bench, directory, number, &file);
	put(bench, &key, slice_of(content, sizeof content));
}

static void put_directory(struct bench *bench, const struct inode *root, uint64_t number)
{
	uint64_t dirid = FIRST_DIRID + number * 4099;
	struct inode directory = {
		.attributes = {.ino = fs_ino(dirid, FS_SEQ_DIRECTORY),
			.generation = 1,
			.mode = S_IFDIR | 0755,
			.nlink = 2},
		.parent = FS_ROOT_INO,
		.seed = {number, 7},
		.entries = FILES_PER_DIRECTORY,
		.creation_dirid = dirid,
		.creation_seq = FS_SEQ_FIRST + FILES_PER_DIRECTORY,
		.cut = INODE_CUT_NONE,
	};

	put_inode(bench, &directory);
	put_entry(bench, root, number, &directory);
	for (uint32_t i = 0; i < FILES_PER_DIRECTORY; i++)
		put_file(bench, &directory, i);
}

static void write_batch(struct bench *bench)
{
	check(bench->kv->ops->write(bench->kv, bench->batch) == 0);
	bench->kv->ops->batch_clear(bench->batch);
}

static void fill(struct bench *bench, uint64_t directories)
{
	struct inode root = {
		.attributes = {.ino = FS_ROOT_INO,
			.generation = 1,
			.mode = S_IFDIR | 0755,
			.nlink = (uint32_t)(2 + directories)},
		.parent = FS_ROOT_INO,
		.seed = {1, 2},
		.entries = directories,
		.creation_seq = FS_SEQ_FIRST,
		.cut = INODE_CUT_NONE,
	};
	char path[192];
	struct kv_rocksdb_options options = {.path = path};

	snprintf(path, sizeof path, "%s/kv", bench->path);
	check(kv_rocksdb_open(&options, &bench->kv, NULL) == 0);
	bench->batch = bench->kv->ops->batch_new(bench->kv);
	put_inode(bench, &root);
	put_count(bench, 1 + directories * (1 + FILES_PER_DIRECTORY));
	for (uint64_t i = 0; i < directories; i++) {
		put_directory(bench, &root, i);
		if (i % BATCH_DIRECTORIES == 0)
			write_batch(bench);
	}
	write_batch(bench);
	bench->kv->ops->batch_free(bench->batch);
	bench->kv->ops->close(bench->kv);
}

static uint64_t memory_max(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss;
}

static void look(struct bench *bench, struct env *env)
{
	struct inspect_options options = {.env = env,
		.logger = &bench->logger,
		.path = bench->path,
		.evaluator = eval_evaluator(),
		.cache_size = 64u << 20};
	struct check_options how = {.data = false};
	uint64_t begin = env_now(env);
	struct inspect *inspect;
	struct check result;

	check(inspect_open(&options, &inspect, NULL) == 0);
	check(check_run(&result, inspect, &how) == 0);
	if (result.report.count > 0)
		fprintf(stderr, "inode %llu: %s\n", (unsigned long long)result.report.problems[0].ino,
			result.report.problems[0].text);
	check(result.report.total == 0);
	printf("check_inodes\t%zu\tinodes\n", result.inodes.count);
	printf("check_time\t%.2f\ts\n", (double)(env_now(env) - begin) / 1e9);
	printf("check_table\t%.1f\tbytes/inode\n",
		(double)(result.inodes.capacity * sizeof *result.inodes.items +
			 result.inodes.directory_capacity * sizeof *result.inodes.directories) /
			(double)result.inodes.count);
	printf("memory_max\t%llu\tKiB\n", (unsigned long long)memory_max());
	check_close(&result);
	inspect_close(inspect);
}

int main(void)
{
	const char *wanted = getenv("INODES");
	uint64_t inodes = wanted ? strtoull(wanted, NULL, 10) : 200000;
	struct env_uv_options env_options = {.worker_threads = 2, .io_threads = 2};
	struct bench bench = {.logger = logger_fd(2, LOG_NONE)};
	struct embedded_options options = {.path = bench.path, .logger = &bench.logger, .loop_count = 1};
	struct embedded *embedded;
	struct env *env;

	test_directory_make(bench.directory, sizeof bench.directory);
	snprintf(bench.path, sizeof bench.path, "%s/store", bench.directory);
	check(embedded_open(&options, &embedded, NULL) == 0);
	embedded_close(embedded);
	fill(&bench, inodes / (FILES_PER_DIRECTORY + 1));
	printf("memory_max_while_filling\t%llu\tKiB\n", (unsigned long long)memory_max());
	check(env_uv_new(&env_options, &env, NULL) == 0);
	look(&bench, env);
	env_uv_free(env);
	test_directory_remove(bench.directory);
	return 0;
}
