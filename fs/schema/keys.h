/*
 * keys.h: inode numbers, and the keys of the rows in which files are stored.
 *
 *     ino = [ dirid : 36 | seq : 28 ]      a directory is (dirid, 1); the root is (0, 1) = 1
 *
 * A file is created under the `dirid` of its parent, so that the rows of a directory and of the files created in it are
 * contiguous. In KEY_DATA every key begins with the dirid (5 bytes, big endian) and a letter. The first byte is below
 * 0x10; keys from 0x10 on belong to no file.
 *
 *     dirid I seq               inode                dirid F seq               tiny file's data
 *     dirid E hash name         directory entry      dirid D seq               object: the extents of the data
 *     dirid X seq name          large xattr          dirid L seq …             lock (kind, session, owner, start)
 *     dirid O seq session       hold by a session    dirid W seq order         lock waiter
 *     dirid S                   the spill with that dirid
 *
 * seq is 4 bytes, hash 8 bytes (62 bits used), all big endian. In KEY_LOCAL of each region:
 *
 *     H session ino kind        the session holds a lock, or waits for one, or keeps the inode open
 *     G ino                     units of this object are garbage, to be unmapped in the background
 *     C 'i'                     the region's count of inodes (records.h)
 *     C 'f'                     how many sessions the region has forgotten (records.h)
 *     T ino attempt index       intent of an attempt (intent.h), which concerns the inode
 *     K attempt                 the attempt has committed; the attempt begins with its anchor's ino
 *
 * H, G, T and K rows belong to data rows of the same region: a split gives each to the half that has its inode. In
 * KEY_LOCAL of region 1, the cluster's own records (records.h), which stay there when it is split:
 *
 *     C kind                    the last id drawn      M session    a mount's session
 *     S store                   store            R session start   a range of dirids that the session may change
 *     P setting                 a setting of the cluster (cluster_settings.h)
 */
#ifndef RAFTKV_FS_SCHEMA_KEYS_H
#define RAFTKV_FS_SCHEMA_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"

#define FS_ROOT_INO	 UINT64_C(1)
#define FS_NAME_SIZE_MAX 255u /* bytes */
#define FS_DIRID_BITS	 36
#define FS_SEQ_BITS	 28
#define FS_DIRID_END	 (UINT64_C(1) << FS_DIRID_BITS) /* dirids are below */
#define FS_SEQ_END	 (UINT32_C(1) << FS_SEQ_BITS) /* seqs are below */
#define FS_SEQ_DIRECTORY 1u /* the directory itself */
#define FS_SEQ_FIRST	 2u /* the first file's */
#define FS_HASH_BITS	 62
#define FS_KEY_SIZE_MAX	 (5 + 1 + 8 + FS_NAME_SIZE_MAX)
/* A session that is no mount's. It holds an inode that has just lost its last name, until every session has said
 * whether it has the inode open. */
#define FS_SESSION_GRACE 0u

struct fs_key {
	uint16_t size; /* bytes */
	uint8_t bytes[FS_KEY_SIZE_MAX + 3];
};

static inline uint64_t fs_ino(uint64_t dirid, uint32_t seq)
{
	return dirid << FS_SEQ_BITS | seq;
}

static inline uint64_t fs_ino_dirid(uint64_t ino)
{
	return ino >> FS_SEQ_BITS;
}

static inline uint32_t fs_ino_seq(uint64_t ino)
{
	return (uint32_t)(ino & (FS_SEQ_END - 1));
}

static inline bool fs_ino_is_directory(uint64_t ino)
{
	return fs_ino_seq(ino) == FS_SEQ_DIRECTORY;
}

static inline struct slice fs_key_slice(const struct fs_key *key)
{
	return slice_of(key->bytes, key->size);
}

/* The hash that orders a directory's entries: 62 bits, keyed with the directory's seed. */
uint64_t fs_name_hash(const uint64_t seed[2], struct slice name);

/* ---- KEY_DATA ---- */

struct fs_key fs_key_inode(uint64_t ino);
struct fs_key fs_key_tiny(uint64_t ino);
struct fs_key fs_key_object(uint64_t ino);
/* `name` is FS_NAME_SIZE_MAX bytes at most. */
struct fs_key fs_key_entry(uint64_t directory, uint64_t hash, struct slice name);
struct fs_key fs_key_entries(uint64_t directory, uint64_t hash); /* the least possible key of that hash */
struct fs_key fs_key_xattr(uint64_t ino, struct slice name);
struct fs_key fs_key_lock(uint64_t ino, uint8_t kind, uint64_t session, uint64_t owner, uint64_t start);
struct fs_key fs_key_locks(uint64_t ino, uint8_t kind);
struct fs_key fs_key_waiter(uint64_t ino, uint64_t order);
struct fs_key fs_key_orphan(uint64_t ino, uint64_t session);
struct fs_key fs_key_spill(uint64_t dirid);
struct fs_key fs_key_dirid(uint64_t dirid); /* all of a dirid's keys begin with it */
/* All of an inode's rows of one letter ('X', 'L', 'O', 'W') begin with it. */
struct fs_key fs_key_prefix(uint64_t ino, char letter);

/* The least key above every key that begins with `prefix`. Every prefix made here has one. */
struct fs_key fs_key_after(const struct fs_key *prefix);

/* The dirid of a key of KEY_DATA; FS_DIRID_END for a key that belongs to no file. */
uint64_t fs_key_get_dirid(struct slice key);
/* Each takes the parts of one kind of key; names borrow from `key`. 0 or STATUS_CORRUPT. */
int fs_key_parse_inode(struct slice key, uint64_t *ino);
int fs_key_parse_entry(struct slice key, uint64_t *hash, struct slice *name);
int fs_key_parse_xattr(struct slice key, struct slice *name);

struct fs_lock_key {
	uint8_t kind;
	uint64_t session;
	uint64_t owner;
	uint64_t start;
};
int fs_key_parse_lock(struct slice key, struct fs_lock_key *lock);
int fs_key_parse_waiter(struct slice key, uint64_t *order);

/* ---- KEY_LOCAL ---- */

enum fs_hold_kind { FS_HOLD_LOCK = 'L', FS_HOLD_OPEN = 'O' };

struct fs_key fs_key_hold(uint64_t session, uint64_t ino, enum fs_hold_kind kind);
struct fs_key fs_key_holds(uint64_t session); /* all H keys of the session begin with it */
struct fs_key fs_key_holds_from(uint64_t session, uint64_t ino); /* the least possible H key of `ino` */
struct fs_key fs_key_holds_all(void);
int fs_key_parse_hold(struct slice key, uint64_t *session, uint64_t *ino, enum fs_hold_kind *kind);
struct fs_key fs_key_garbage(uint64_t ino);
struct fs_key fs_key_garbage_all(void);
int fs_key_parse_garbage(struct slice key, uint64_t *ino);
struct attempt; /* intent.h */
struct fs_key fs_key_intent(uint64_t ino, const struct attempt *attempt, uint32_t index);
struct fs_key fs_key_intents(uint64_t ino); /* all T keys of the inode begin with it */
struct fs_key fs_key_intents_all(void);
struct fs_key fs_key_committed(const struct attempt *attempt);
struct fs_key fs_key_committed_all(void);
int fs_key_parse_intent(struct slice key, uint64_t *ino, struct attempt *attempt, uint32_t *index);
int fs_key_parse_committed(struct slice key, struct attempt *attempt);
struct fs_key fs_key_counter(uint8_t kind);
struct fs_key fs_key_session(uint64_t session);
struct fs_key fs_key_sessions(void); /* all M keys begin with it */
struct fs_key fs_key_registration(uint64_t session, uint64_t start); /* a dirid */
struct fs_key fs_key_registrations(uint64_t session); /* all R keys of the session begin with it */
struct fs_key fs_key_store(uint64_t store);
struct fs_key fs_key_stores(void);
struct fs_key fs_key_setting(uint8_t setting);
struct fs_key fs_key_settings(void);
int fs_key_parse_counter(struct slice key, uint8_t *kind);
int fs_key_parse_session(struct slice key, uint64_t *session);
int fs_key_parse_registration(struct slice key, uint64_t *session, uint64_t *start);
int fs_key_parse_store(struct slice key, uint64_t *store);
int fs_key_parse_setting(struct slice key, uint8_t *setting);

#endif
