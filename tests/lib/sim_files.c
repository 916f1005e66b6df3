/* Files of a simulated process: handles, requests, and the faults of their disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/sim_internal.h"

#define LATENCY (100 * SIM_US)

enum { KIND_FILE = 3 };

struct sim_file {
	struct env_file base;
	struct sim_file *next; /* of the env */
	struct sim_env *env;
	struct sim_inode *inode; /* NULL: the process died */
	int flags;

	char path[256];
};

static struct sim_file *file_of(struct env_file *file)
{
	return (struct sim_file *)file;
}

static struct sim_world *world_of(const struct sim_file *file)
{
	return file->env->node->world;
}

/* Counts an operation that changes the disk. False: power fails within it. */
static bool operate(struct sim_env *env)
{
	return ++env->node->operations != env->node->crash_at;
}

/* Of a whole operation that power fails in: it did not happen. */
static int begin(struct env *base)
{
	struct sim_env *env = sim_env_of(base);
	const struct sim_disk_faults *faults = &env->node->faults;

	if (env->is_dead)
		return -EIO;
	env->node->disk.capacity = faults->capacity ? faults->capacity / SIM_PAGE : UINT64_MAX;
	if (operate(env))
		return 0;
	sim_node_crash(env->node);
	return -EIO;
}

static void block(struct sim_env *env)
{
	struct sim_world *world = env->node->world;

	if (env->node->faults.blocking > 0 && !world->is_in_callback)
		sim_run(world, sim_delay(world, env->node->faults.blocking), NULL, NULL);
}

static bool has_fault(struct sim_file *file, uint32_t ppm)
{
	const char *only = file->env->node->faults.only;

	if ((only && !strstr(file->path, only)) || !sim_chance(world_of(file), ppm))
		return false;
	file->env->node->faults_fired++;
	return true;
}

/* ---- Handles ---------------------------------------------------------------------------------------------------- */

static int find_or_create(struct sim_env *env, const char *path, int flags, struct sim_inode **inode)
{
	struct sim_disk *disk = &env->node->disk;
	struct sim_inode *directory;
	const char *name;
	int status;

	status = sim_disk_find(disk, path, inode);
	if (status == 0 && flags & ENV_OPEN_CREATE && flags & ENV_OPEN_EXCLUSIVE)
		return -EEXIST;
	if (status != -ENOENT || !(flags & ENV_OPEN_CREATE))
		return status;
	status = sim_disk_find_parent(disk, path, &directory, &name);
	if (status == 0)
		status = begin(&env->base);
	if (status == 0)
		*inode = sim_disk_create(disk, directory, name, false);
	return status;
}

int sim_file_open(struct env *base, const char *path, int flags, struct env_file **out)
{
	struct sim_env *env = sim_env_of(base);
	struct sim_inode *inode;
	struct sim_file *file;
	int status;

	block(env);
	if (env->is_dead)
		return -EIO;
	status = find_or_create(env, path, flags, &inode);
	if (status < 0)
		return status;
	if (inode->is_directory && flags & ENV_OPEN_WRITE)
		return -EISDIR;
	if (flags & ENV_OPEN_LOCK && inode->is_locked)
		return -EWOULDBLOCK;
	file = sim_allocate(sizeof *file);
	file->base.env = base;
	file->env = env;
	file->inode = inode;
	file->flags = flags;
	snprintf(file->path, sizeof file->path, "%s", path);
	inode->open_count++;
	inode->is_locked = inode->is_locked || flags & ENV_OPEN_LOCK;
	file->next = env->files;
	env->files = file;
	*out = &file->base;
	return 0;
}

static void let_go(struct sim_file *file)
{
	struct sim_inode *inode = file->inode;

	if (!inode)
		return;
	file->inode = NULL;
	if (file->flags & ENV_OPEN_LOCK)
		inode->is_locked = false;
	inode->open_count--;
	sim_disk_release(&file->env->node->disk, inode);
}

void sim_file_close(struct env_file *base)
{
	struct sim_file *file = file_of(base), **place = &file->env->files;

	let_go(file);
	while (*place != file)
		place = &(*place)->next;
	*place = file->next;
	free(file);
}

void sim_files_kill(struct sim_env *env)
{
	for (struct sim_file *file = env->files; file; file = file->next)
		let_go(file);
}

void sim_files_close(struct sim_env *env)
{
	while (env->files)
		sim_file_close(&env->files->base);
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------ */

static bool is_aligned(const struct sim_file *file, uint64_t offset, const struct iovec *vector, int count)
{
	bool aligned = offset % ENV_DIRECT_ALIGNMENT == 0;

	if (!(file->flags & ENV_OPEN_DIRECT))
		return true;
	for (int i = 0; i < count; i++)
		aligned = aligned && (uintptr_t)vector[i].iov_base % ENV_DIRECT_ALIGNMENT == 0 &&
			  vector[i].iov_len % ENV_DIRECT_ALIGNMENT == 0;
	return aligned;
}

static uint64_t size_of(const struct iovec *vector, int count)
{
	uint64_t size = 0;

	for (int i = 0; i < count; i++)
		size += vector[i].iov_len;
	return size;
}

static int read_vector(struct sim_file *file, uint64_t offset, struct iovec *vector, int count)
{
	uint64_t size = size_of(vector, count);
	const struct sim_disk_faults *faults = &file->env->node->faults;

	if (file->env->is_dead)
		return -EIO;
	if (!is_aligned(file, offset, vector, count))
		return -EINVAL;
	if (size == 0)
		return 0;
	if (offset + size > file->inode->size)
		return -ENODATA;
	if (has_fault(file, faults->read_error_ppm))
		return -EIO;
	if (has_fault(file, faults->rot_ppm))
		sim_disk_flip(file->inode, offset + sim_random(world_of(file), size),
			(unsigned int)sim_random(world_of(file), 8));
	for (int i = 0; i < count; i++) {
		sim_disk_read(file->inode, offset, vector[i].iov_base, vector[i].iov_len);
		offset += vector[i].iov_len;
	}
	return 0;
}

/* Another place of whole pages, within the file if it can be. */
static uint64_t misdirect(struct sim_file *file, uint64_t offset, uint64_t size)
{
	uint64_t room = file->inode->size > size ? (file->inode->size - size) / SIM_PAGE : 0;
	uint64_t other = sim_random(world_of(file), room + 1) * SIM_PAGE + offset % SIM_PAGE;

	return other == offset ? offset + SIM_PAGE : other;
}

static int write_with_faults(
	struct sim_file *file, uint64_t offset, const unsigned char *bytes, uint64_t size)
{
	struct sim_node *node = file->env->node;
	bool fails = has_fault(file, node->faults.write_error_ppm);
	int status;

	if (fails)
		size = sim_random(node->world, size + 1);
	else if (has_fault(file, node->faults.lost_ppm))
		return 0;
	else if (has_fault(file, node->faults.misdirected_ppm))
		offset = misdirect(file, offset, size);
	status = sim_disk_write(&node->disk, file->inode, offset, bytes, size);
	if (status == 0 && !fails && file->flags & ENV_OPEN_DSYNC)
		sim_disk_sync_range(&node->disk, file->inode, offset, size);
	return fails ? -EIO : status;
}

static unsigned char *gather(const struct iovec *vector, int count)
{
	unsigned char *bytes = sim_allocate(size_of(vector, count) + 1), *at = bytes;

	for (int i = 0; i < count; i++) {
		if (vector[i].iov_len > 0)
			memcpy(at, vector[i].iov_base, vector[i].iov_len);
		at += vector[i].iov_len;
	}
	return bytes;
}

/* Some of it may be in the disk's cache when power fails. */
static void write_half(struct sim_file *file, uint64_t offset, const struct iovec *vector, int count)
{
	unsigned char *bytes = gather(vector, count);

	sim_disk_write(&file->env->node->disk, file->inode, offset, bytes, size_of(vector, count));
	free(bytes);
}

static int write_vector(struct sim_file *file, uint64_t offset, struct iovec *vector, int count)
{
	unsigned char *bytes = NULL;
	int status;

	if (file->env->is_dead)
		return -EIO;
	if (!(file->flags & ENV_OPEN_WRITE))
		return -EBADF;
	if (!is_aligned(file, offset, vector, count))
		return -EINVAL;
	if (file->env->node->operations + 1 == file->env->node->crash_at)
		write_half(file, offset, vector, count);
	status = begin(file->base.env);
	if (status < 0)
		return status;
	if (count != 1)
		bytes = gather(vector, count);
	status = write_with_faults(file, offset, bytes ? bytes : vector->iov_base, size_of(vector, count));
	free(bytes);
	return status;
}

int sim_file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	block(file_of(file)->env);
	return read_vector(file_of(file), offset, &(struct iovec){bytes, size}, 1);
}

/* What is in memory is chance. */
int sim_file_read_cached(struct env_file *base, uint64_t offset, void *bytes, size_t size)
{
	if (sim_chance(file_of(base)->env->node->world, 500000))
		return STATUS_WOULD_BLOCK;
	return sim_file_read(base, offset, bytes, size);
}

int sim_file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size)
{
	return write_vector(file_of(file), offset, &(struct iovec){(void *)bytes, size}, 1);
}

int sim_file_sync(struct env_file *base)
{
	struct sim_file *file = file_of(base);
	int status = begin(base->env);

	if (status < 0)
		return status;
	if (has_fault(file, file->env->node->faults.sync_error_ppm)) {
		sim_disk_sync_fails(file->inode);
		return -EIO;
	}
	sim_disk_sync(&file->env->node->disk, file->inode);
	return 0;
}

int sim_file_size(struct env_file *base, uint64_t *size)
{
	struct sim_file *file = file_of(base);

	if (file->env->is_dead)
		return -EIO;
	*size = file->inode->size;
	return 0;
}

int sim_file_truncate(struct env_file *base, uint64_t size)
{
	struct sim_file *file = file_of(base);
	int status = file->flags & ENV_OPEN_WRITE ? begin(base->env) : -EINVAL;

	if (status == 0)
		sim_disk_truncate(&file->env->node->disk, file->inode, size);
	return status;
}

int sim_file_allocate(struct env_file *base, uint64_t offset, uint64_t size)
{
	struct sim_file *file = file_of(base);
	int status = file->flags & ENV_OPEN_WRITE ? begin(base->env) : -EBADF;

	return status < 0 ? status : sim_disk_allocate(&file->env->node->disk, file->inode, offset, size);
}

int sim_file_punch(struct env_file *base, uint64_t offset, uint64_t size)
{
	struct sim_file *file = file_of(base);
	int status = file->flags & ENV_OPEN_WRITE ? begin(base->env) : -EBADF;

	if (status == 0)
		sim_disk_punch(&file->env->node->disk, file->inode, offset, size);
	return status;
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static struct env_file_request *request_of(struct env_mail *mail)
{
	return (struct env_file_request *)((char *)mail - offsetof(struct env_file_request, mail));
}

static void on_request_done(struct env_mail *mail)
{
	request_of(mail)->done(request_of(mail));
}

static int run_request(struct env_file_request *request)
{
	struct sim_file *file = file_of(request->file);

	switch (request->operation) {
	case ENV_FILE_READ:
		return read_vector(file, request->offset, request->vector, request->vector_count);
	case ENV_FILE_WRITE:
		return write_vector(file, request->offset, request->vector, request->vector_count);
	case ENV_FILE_SYNC:
		return sim_file_sync(request->file);
	}
	check(!"a file operation");
}

static void on_request(struct sim_event *event)
{
	struct env_file_request *request = event->object;
	int status = run_request(request);

	/* It may have lost power: then nobody is told. */
	if (event->env->is_dead)
		return;
	request->status = status;
	sim_trace_mix(event->env->node->world, request->offset + (uint64_t)(uint32_t)status);
	if (request->loop)
		env_mail_forward(request->loop, &request->mail, on_request_done);
	else
		env_file_finish(request);
}

void sim_file_submit(struct env_file_request *request)
{
	struct sim_env *env = file_of(request->file)->env;
	uint64_t latency = env->node->faults.latency ? env->node->faults.latency : LATENCY;

	sim_schedule(env, NULL, sim_delay(env->node->world, latency), KIND_FILE, on_request, request);
}

void sim_files_interrupt(struct sim_env *env)
{
	struct sim_world *world = env->node->world;

	for (size_t i = 0; i < world->events.count; i++) {
		struct sim_event *event =
			(void *)((char *)world->events.items[i] - offsetof(struct sim_event, node));
		struct env_file_request *request = event->object;

		if (event->env == env && event->run == on_request && request->operation == ENV_FILE_WRITE &&
			file_of(request->file)->flags & ENV_OPEN_WRITE && sim_random(world, 2) == 0)
			write_half(file_of(request->file), request->offset, request->vector,
				request->vector_count);
	}
}

/* ---- Directories ------------------------------------------------------------------------------------------------ */

int sim_mkdir(struct env *env, const char *path)
{
	struct sim_disk *disk = &sim_env_of(env)->node->disk;
	struct sim_inode *directory, *there;
	const char *name;
	int status = sim_disk_find_parent(disk, path, &directory, &name);

	if (status == 0 && sim_disk_find(disk, path, &there) == 0)
		status = -EEXIST;
	if (status == 0)
		status = begin(env);
	if (status == 0)
		sim_disk_create(disk, directory, name, true);
	return status;
}

static int find_directory(struct env *env, const char *path, struct sim_inode **directory)
{
	int status = sim_disk_find(&sim_env_of(env)->node->disk, path, directory);

	if (sim_env_of(env)->is_dead)
		return -EIO;
	return status < 0 || (*directory)->is_directory ? status : -ENOTDIR;
}

int sim_sync_dir(struct env *env, const char *path)
{
	struct sim_inode *directory;
	int status = find_directory(env, path, &directory);

	if (status == 0)
		status = begin(env);
	if (status == 0)
		sim_disk_sync_directory(&sim_env_of(env)->node->disk, directory);
	return status;
}

/* May `inode` take the place of `target`? */
static int may_replace(const struct sim_inode *inode, const struct sim_inode *target)
{
	if (!target)
		return 0;
	if (inode->is_directory != target->is_directory)
		return target->is_directory ? -EISDIR : -ENOTDIR;
	return target->entries ? -ENOTEMPTY : 0;
}

int sim_rename(struct env *env, const char *from, const char *to)
{
	struct sim_disk *disk = &sim_env_of(env)->node->disk;
	struct sim_inode *inode, *from_directory, *to_directory, *target;
	const char *from_name, *to_name;
	int status = sim_disk_find(disk, from, &inode);

	if (status == 0)
		status = sim_disk_find_parent(disk, from, &from_directory, &from_name);
	if (status == 0)
		status = sim_disk_find_parent(disk, to, &to_directory, &to_name);
	if (status < 0)
		return status;
	target = sim_disk_lookup(to_directory, to_name);
	if (target == inode)
		return 0;
	status = may_replace(inode, target);
	if (status == 0)
		status = begin(env);
	if (status == 0)
		sim_disk_rename(disk, from_directory, from_name, to_directory, to_name);
	return status;
}

static int remove_name(struct env *env, const char *path, bool is_directory)
{
	struct sim_disk *disk = &sim_env_of(env)->node->disk;
	struct sim_inode *inode, *directory;
	const char *name;
	int status = sim_disk_find(disk, path, &inode);

	if (status < 0)
		return status;
	if (inode->is_directory != is_directory)
		return is_directory ? -ENOTDIR : -EISDIR;
	if (inode->entries)
		return -ENOTEMPTY;
	status = begin(env);
	if (status < 0)
		return status;
	check(sim_disk_find_parent(disk, path, &directory, &name) == 0);
	sim_disk_remove(disk, directory, name);
	return 0;
}

int sim_unlink(struct env *env, const char *path)
{
	return remove_name(env, path, false);
}

int sim_rmdir(struct env *env, const char *path)
{
	return remove_name(env, path, true);
}

/* The callback may change the directory: its names are copied first. */
int sim_list(struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument)
{
	struct sim_inode *directory;
	int status = find_directory(env, path, &directory);
	size_t count = 0;
	char(*names)[256];

	if (status < 0)
		return status;
	for (const struct sim_entry *entry = directory->entries; entry; entry = entry->next)
		count++;
	names = sim_allocate((count + 1) * sizeof *names);
	count = 0;
	for (const struct sim_entry *entry = directory->entries; entry; entry = entry->next)
		strcpy(names[count++], entry->name);
	for (size_t i = 0; i < count && status == 0; i++)
		status = name(argument, names[i]);
	free(names);
	return status;
}

int sim_space(struct env *env, const char *path, struct env_space *space)
{
	const struct sim_node *node = sim_env_of(env)->node;
	struct sim_inode *inode;
	int status = sim_disk_find(&sim_env_of(env)->node->disk, path, &inode);
	uint64_t used = node->disk.used_pages * SIM_PAGE;

	if (status < 0)
		return status;
	space->total = node->faults.capacity ? node->faults.capacity : (uint64_t)1 << 40;
	space->available = space->total > used ? space->total - used : 0;
	return 0;
}
