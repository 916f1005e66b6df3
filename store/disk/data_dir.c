#include "store/disk/data_dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/codec.h"
#include "store/disk/checksum.h"

#define IDENT_MAGIC	      "raftkv store\n"
#define IDENT_VERSION	      2
#define IDENT_VERSION_FIRST   1 /* format without lives */
#define IDENT_CHECKSUM_OFFSET (IDENT_SIZE - 8)

static const char *const folders[] = {"kv", "raft", "blocks", "snap"};
static const char *const files[] = {"tail", "LOCK", "IDENT", "IDENT.new", "control", "log", "lost+found"};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- IDENT ---- */

void ident_encode(const struct ident *ident, uint8_t bytes[IDENT_SIZE])
{
	struct writer writer = writer_fixed(bytes, IDENT_SIZE);
	struct writer end = writer_fixed(bytes + IDENT_CHECKSUM_OFFSET, 8);

	memset(bytes, 0, IDENT_SIZE);
	writer_bytes(&writer, IDENT_MAGIC, sizeof IDENT_MAGIC);
	writer_u32le(&writer, IDENT_VERSION);
	writer_u64le(&writer, ident->cluster);
	writer_u64le(&writer, ident->store);
	writer_u64le(&writer, ident->incarnation);
	writer_u8(&writer, ident->log_is_rocksdb);
	writer_u64le(&writer, ident->directory_id);
	writer_u8(&writer, ident->is_refused);
	writer_u32le(&writer, ident->life_count);
	for (uint32_t i = 0; i < ident->life_count; i++)
		writer_u64le(&writer, ident->lives[i]);
	writer_u64le(&end, checksum_of(bytes, IDENT_CHECKSUM_OFFSET, 0));
}

/* False: no store writes such lives. */
static bool decode_lives(struct reader *reader, struct ident *ident)
{
	uint8_t is_refused = reader_u8(reader);

	ident->is_refused = is_refused == 1;
	ident->life_count = reader_u32le(reader);
	if (is_refused > 1 || ident->life_count > IDENT_LIVES_MAX || ident->life_count > ident->incarnation)
		return false;
	for (uint32_t i = 0; i < ident->life_count; i++) {
		ident->lives[i] = reader_u64le(reader);
		if (ident->lives[i] == 0)
			return false;
	}
	return true;
}

int ident_decode(const uint8_t bytes[IDENT_SIZE], struct ident *ident, uint32_t *version)
{
	struct reader reader = reader_of(slice_of(bytes, IDENT_SIZE));
	struct reader end = reader_of(slice_of(bytes + IDENT_CHECKSUM_OFFSET, 8));
	struct slice magic = reader_bytes(&reader, sizeof IDENT_MAGIC);
	uint8_t kind;

	if (memcmp(magic.data, IDENT_MAGIC, sizeof IDENT_MAGIC) != 0 ||
		reader_u64le(&end) != checksum_of(bytes, IDENT_CHECKSUM_OFFSET, 0))
		return STATUS_CORRUPT;
	*version = reader_u32le(&reader);
	if (*version < IDENT_VERSION_FIRST || *version > IDENT_VERSION)
		return -EPROTO;
	ident->cluster = reader_u64le(&reader);
	ident->store = reader_u64le(&reader);
	ident->incarnation = reader_u64le(&reader);
	kind = reader_u8(&reader);
	ident->log_is_rocksdb = kind == 1;
	ident->directory_id = reader_u64le(&reader);
	ident->life_count = 0;
	ident->is_refused = false;
	if (*version > IDENT_VERSION_FIRST && !decode_lives(&reader, ident))
		return STATUS_CORRUPT;
	return ident->store > 0 && kind <= 1 ? 0 : STATUS_CORRUPT;
}

void ident_begin_life(struct ident *ident, struct env *env)
{
	uint32_t kept = ident->life_count < IDENT_LIVES_MAX ? ident->life_count : IDENT_LIVES_MAX - 1;

	if (!ident->is_refused || ident->life_count == 0) {
		ident->incarnation++;
		memmove(ident->lives + 1, ident->lives, kept * sizeof ident->lives[0]);
		ident->life_count = kept + 1;
	}
	ident->is_refused = false;
	do
		env_random(env, &ident->lives[0], sizeof ident->lives[0]);
	while (ident->lives[0] == 0);
	while (ident->directory_id == 0)
		env_random(env, &ident->directory_id, sizeof ident->directory_id);
}

static int read_ident(struct data_dir *dir, struct status *status)
{
	uint8_t bytes[IDENT_SIZE];
	char path[PATH_MAX];
	struct env_file *file;
	uint32_t version;
	int code = data_dir_path(dir, "IDENT", path);

	if (code == 0)
		code = env_file_open(dir->env, path, ENV_OPEN_READ, &file);
	if (code == -ENOENT) {
		dir->is_new = true;
		return 0;
	}
	if (code < 0)
		return status_set(status, code, "%s cannot be opened: %s", path, status_name(code));
	code = env_file_read(file, 0, bytes, sizeof bytes);
	env_file_close(file);
	if (code == -ENODATA)
		code = STATUS_CORRUPT;
	if (code == 0)
		code = ident_decode(bytes, &dir->ident, &version);
	if (code == -EPROTO)
		return status_set(status, code, "%s has format version %u; this program knows version %d",
			dir->path, version, IDENT_VERSION);
	if (code < 0)
		return status_set(status, code, "%s cannot be read: %s", path, status_name(code));
	return 0;
}

static int write_file(struct env *env, const char *path, const uint8_t bytes[IDENT_SIZE])
{
	struct env_file *file;
	int code = env_file_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file);

	if (code < 0)
		return code;
	code = env_file_write(file, 0, bytes, IDENT_SIZE);
	if (code == 0)
		code = env_file_sync(file);
	env_file_close(file);
	return code;
}

int data_dir_commit(struct data_dir *dir, struct status *status)
{
	uint8_t bytes[IDENT_SIZE];
	char from[PATH_MAX], to[PATH_MAX];
	int code = data_dir_path(dir, "IDENT.new", from);

	ident_encode(&dir->ident, bytes);
	if (code == 0)
		code = data_dir_path(dir, "IDENT", to);
	if (code == 0)
		code = write_file(dir->env, from, bytes);
	if (code == 0)
		code = env_rename(dir->env, from, to);
	if (code == 0)
		code = env_sync_dir(dir->env, dir->path);
	if (code == 0 && dir->is_new)
		code = env_sync_parent(dir->env, dir->path);
	if (code < 0)
		return status_set(
			status, code, "%s/IDENT cannot be written: %s", dir->path, status_name(code));
	dir->is_new = false;
	return 0;
}

/* ---- The directory ---- */

int data_dir_path(const struct data_dir *dir, const char *name, char path[PATH_MAX])
{
	int size = snprintf(path, PATH_MAX, "%s/%s", dir->path, name);

	return size < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int refuse_foreign_name(void *argument, const char *name)
{
	struct status *status = argument;

	for (size_t i = 0; i < COUNT_OF(folders); i++)
		if (strcmp(name, folders[i]) == 0)
			return 0;
	for (size_t i = 0; i < COUNT_OF(files); i++)
		if (strcmp(name, files[i]) == 0)
			return 0;
	return status_set(status, -ENOTEMPTY, "the directory holds '%.60s', which is not a store's", name);
}

/* Makes the absent folders. Nothing is made in a directory with foreign files. */
static int make_folders(struct data_dir *dir, struct status *status)
{
	char path[PATH_MAX];
	int code = env_mkdir(dir->env, dir->path);

	if (code < 0 && code != -EEXIST)
		return status_set(status, code, "%s cannot be created: %s", dir->path, status_name(code));
	code = env_list(dir->env, dir->path, refuse_foreign_name, status);
	if (code == -ENOTEMPTY)
		return code;
	for (size_t i = 0; i < COUNT_OF(folders) && code == 0; i++) {
		code = data_dir_path(dir, folders[i], path);
		if (code == 0)
			code = env_mkdir(dir->env, path);
		if (code == -EEXIST)
			code = 0;
	}
	if (code == 0)
		code = env_sync_dir(dir->env, dir->path);
	if (code < 0)
		return status_set(
			status, code, "%s cannot be used as a store: %s", dir->path, status_name(code));
	return 0;
}

static int take_lock(struct data_dir *dir, struct status *status)
{
	char path[PATH_MAX];
	int code = data_dir_path(dir, "LOCK", path);

	if (code == 0)
		code = env_file_open(
			dir->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_LOCK, &dir->lock);
	if (code == -EWOULDBLOCK)
		return status_set(status, -EBUSY, "%s is in use by another process", dir->path);
	if (code < 0)
		return status_set(status, code, "%s cannot be locked: %s", path, status_name(code));
	return 0;
}

int data_dir_open(struct data_dir *dir, struct env *env, const char *path, struct status *status)
{
	int size, code;

	*dir = (struct data_dir){.env = env};
	size = snprintf(dir->path, sizeof dir->path, "%s", path);
	if (size >= (int)sizeof dir->path)
		return status_set(status, -ENAMETOOLONG, "the path of the store is too long");
	code = make_folders(dir, status);
	if (code == 0)
		code = take_lock(dir, status);
	if (code == 0)
		code = read_ident(dir, status);
	if (code < 0)
		data_dir_close(dir);
	return code;
}

void data_dir_close(struct data_dir *dir)
{
	env_file_close(dir->lock);
	dir->lock = NULL;
}
