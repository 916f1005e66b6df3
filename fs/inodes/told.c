#include "fs/inodes/told.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/check.h"
#include "proto/plant.h"

#define SPREAD UINT64_C(0x9e3779b97f4a7c15) /* Knuth, "The Art of Computer Programming", volume 3, 6.4 */

struct told_place {
	uint64_t ino; /* 0: none */
	uint64_t digest; /* of the attributes that the kernel was told last */
	uint64_t data_version;
	uint32_t generation;
	uint64_t until; /* env_now; the kernel may use those attributes until then */
	uint64_t unsure_until; /* env_now; it may use other attributes of the inode until then */
	uint64_t others_until; /* env_now; it may use attributes of inodes that had this place before */
	uint64_t name; /* told_name of the last name that the kernel was told */
	uint64_t name_until; /* env_now; it may use that name until then */
	uint64_t other_name_until; /* env_now; it may use other names of the inode until then */
	bool is_name_old; /* another mount changed the inode after the kernel was told a name */
};

struct told {
	pthread_mutex_t mutex;
	uint64_t valid_ns;
	uint32_t count;
	struct told_place *places;
};

int told_new(uint64_t valid_ns, uint32_t places, struct told **out)
{
	struct told *told = calloc(1, sizeof *told);

	check((places & (places - 1)) == 0);
	if (!told)
		return -ENOMEM;
	told->valid_ns = valid_ns;
	told->count = places;
	told->places = calloc(places, sizeof *told->places);
	if (!told->places) {
		free(told);
		return -ENOMEM;
	}
	pthread_mutex_init(&told->mutex, NULL);
	*out = told;
	return 0;
}

void told_free(struct told *told)
{
	if (!told)
		return;
	pthread_mutex_destroy(&told->mutex);
	free(told->places);
	free(told);
}

static struct told_place *place_of(struct told *told, uint64_t ino)
{
	return &told->places[(ino * SPREAD >> 32) & (told->count - 1)];
}

/* Of the attributes that the kernel caches, except for the access time. */
static uint64_t digest_of(const struct attributes *attributes)
{
	const uint64_t parts[] = {
		attributes->generation,
		attributes->mode,
		attributes->nlink,
		attributes->uid,
		attributes->gid,
		attributes->size,
		attributes->data_version,
		(uint64_t)attributes->mtime.seconds,
		attributes->mtime.nanoseconds,
		(uint64_t)attributes->ctime.seconds,
		attributes->ctime.nanoseconds,
	};

	return XXH3_64bits(parts, sizeof parts);
}

/* Answers may arrive out of order. */
static bool told_is_older(const struct attributes *attributes, const struct told_place *place)
{
	return attributes->generation == place->generation && attributes->data_version < place->data_version;
}

static void raise_to(uint64_t *time, uint64_t other)
{
	if (other > *time)
		*time = other;
}

static void note(struct told_place *place, const struct attributes *attributes, uint64_t digest, uint64_t now)
{
	if (place->ino != attributes->ino) {
		if (place->until > now)
			raise_to(&place->others_until, place->until);
		place->unsure_until = place->others_until;
		place->name_until = place->other_name_until = 0;
		place->is_name_old = false;
	} else if (place->digest != digest) {
		if (place->until > now)
			raise_to(&place->unsure_until, place->until);
		place->is_name_old = true;
	}
	place->ino = attributes->ino;
	place->digest = digest;
	place->data_version = attributes->data_version;
	place->generation = attributes->generation;
}

/* A name that the kernel is told now is good. The mark stays while the kernel may use another name. */
static void note_name(struct told_place *place, uint64_t name, uint64_t now)
{
	if (place->name != name && now < place->name_until)
		raise_to(&place->other_name_until, place->name_until);
	if (now >= place->other_name_until)
		place->is_name_old = false;
	place->name = name;
	place->name_until = place->until;
}

void told_note(struct told *told, const struct attributes *attributes, uint64_t name, uint64_t now)
{
	uint64_t digest = digest_of(attributes);
	struct told_place *place;

	pthread_mutex_lock(&told->mutex);
	place = place_of(told, attributes->ino);
	note(place, attributes, digest, now);
	place->until = now + told->valid_ns;
	if (name != 0)
		note_name(place, name, now);
	pthread_mutex_unlock(&told->mutex);
}

uint64_t told_name(uint64_t parent, struct slice name)
{
	return name.size == 0 ? 0 : XXH3_64bits_withSeed(name.data, name.size, parent) | 1;
}

void told_change(struct told *told, const struct attributes *attributes, bool is_ours)
{
	uint64_t digest = digest_of(attributes);
	struct told_place *place;

	pthread_mutex_lock(&told->mutex);
	place = place_of(told, attributes->ino);
	if (place->ino == attributes->ino && !told_is_older(attributes, place) &&
		(is_ours || attributes->data_version == place->data_version)) {
		place->digest = digest;
		place->data_version = attributes->data_version;
	}
	pthread_mutex_unlock(&told->mutex);
}

void told_forget(struct told *told, uint64_t ino)
{
	struct told_place *place;

	pthread_mutex_lock(&told->mutex);
	place = place_of(told, ino);
	if (place->ino == ino)
		place->until = place->unsure_until = 0;
	pthread_mutex_unlock(&told->mutex);
}

/* The kernel may use other attributes, and these are no older than those. */
static bool is_changed(const struct told_place *place, const struct attributes *attributes, uint64_t now)
{
	if (planted("fs:old_attributes_kept"))
		return false;
	return now < place->until && place->digest != digest_of(attributes) &&
	       !told_is_older(attributes, place);
}

bool told_is_old(struct told *told, const struct attributes *attributes, uint64_t now)
{
	struct told_place *place;
	bool is_old;

	pthread_mutex_lock(&told->mutex);
	place = place_of(told, attributes->ino);
	if (place->ino != attributes->ino) {
		is_old = now < place->others_until;
	} else {
		is_old = is_changed(place, attributes, now);
		place->is_name_old = place->is_name_old || is_old;
		is_old = is_old || now < place->unsure_until;
	}
	pthread_mutex_unlock(&told->mutex);
	return is_old;
}

bool told_is_name_old(struct told *told, const struct attributes *attributes, bool is_changing, uint64_t now)
{
	struct told_place *place;
	bool is_old;

	pthread_mutex_lock(&told->mutex);
	place = place_of(told, attributes->ino);
	is_old = place->ino == attributes->ino && now < place->name_until &&
		 (place->is_name_old || (!is_changing && is_changed(place, attributes, now)));
	pthread_mutex_unlock(&told->mutex);
	return is_old;
}
