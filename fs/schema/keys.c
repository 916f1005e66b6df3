#include "fs/schema/keys.h"

#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/status.h"
#include "fs/schema/intent.h"
#include "fs/schema/siphash.h"

#define DIRID_SIZE	  5 /* bytes */
#define SEQ_SIZE	  4
#define INODE_PREFIX_SIZE (DIRID_SIZE + 1 + SEQ_SIZE)

uint64_t fs_name_hash(const uint64_t seed[2], struct slice name)
{
	return siphash(seed, name) >> (64 - FS_HASH_BITS);
}

/* ---- Making ---- */

static void add_number(struct fs_key *key, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		key->bytes[key->size++] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

static void add_letter(struct fs_key *key, char letter)
{
	key->bytes[key->size++] = (uint8_t)letter;
}

static void add_name(struct fs_key *key, struct slice name)
{
	check(name.size <= FS_NAME_SIZE_MAX);
	if (name.size > 0)
		memcpy(key->bytes + key->size, name.data, name.size);
	key->size = (uint16_t)(key->size + name.size);
}

/* Does not clear the bytes past `size`, because keys are made often. */
static void begin(struct fs_key *key, uint64_t dirid, char letter)
{
	key->size = 0;
	add_number(key, dirid, DIRID_SIZE);
	add_letter(key, letter);
}

struct fs_key fs_key_prefix(uint64_t ino, char letter)
{
	struct fs_key key;

	begin(&key, fs_ino_dirid(ino), letter);
	add_number(&key, fs_ino_seq(ino), SEQ_SIZE);
	return key;
}

struct fs_key fs_key_inode(uint64_t ino)
{
	return fs_key_prefix(ino, 'I');
}

struct fs_key fs_key_tiny(uint64_t ino)
{
	return fs_key_prefix(ino, 'F');
}

struct fs_key fs_key_object(uint64_t ino)
{
	return fs_key_prefix(ino, 'D');
}

struct fs_key fs_key_entries(uint64_t directory, uint64_t hash)
{
	struct fs_key key;

	begin(&key, fs_ino_dirid(directory), 'E');
	add_number(&key, hash, sizeof hash);
	return key;
}

struct fs_key fs_key_entry(uint64_t directory, uint64_t hash, struct slice name)
{
	struct fs_key key = fs_key_entries(directory, hash);

	add_name(&key, name);
	return key;
}

struct fs_key fs_key_xattr(uint64_t ino, struct slice name)
{
	struct fs_key key = fs_key_prefix(ino, 'X');

	add_name(&key, name);
	return key;
}

struct fs_key fs_key_locks(uint64_t ino, uint8_t kind)
{
	struct fs_key key = fs_key_prefix(ino, 'L');

	add_number(&key, kind, sizeof kind);
	return key;
}

struct fs_key fs_key_lock(uint64_t ino, uint8_t kind, uint64_t session, uint64_t owner, uint64_t start)
{
	struct fs_key key = fs_key_locks(ino, kind);

	add_number(&key, session, sizeof session);
	add_number(&key, owner, sizeof owner);
	add_number(&key, start, sizeof start);
	return key;
}

struct fs_key fs_key_waiter(uint64_t ino, uint64_t order)
{
	struct fs_key key = fs_key_prefix(ino, 'W');

	add_number(&key, order, sizeof order);
	return key;
}

struct fs_key fs_key_orphan(uint64_t ino, uint64_t session)
{
	struct fs_key key = fs_key_prefix(ino, 'O');

	add_number(&key, session, sizeof session);
	return key;
}

struct fs_key fs_key_spill(uint64_t dirid)
{
	struct fs_key key;

	begin(&key, dirid, 'S');
	return key;
}

struct fs_key fs_key_dirid(uint64_t dirid)
{
	struct fs_key key = {0};

	add_number(&key, dirid, DIRID_SIZE);
	return key;
}

struct fs_key fs_key_after(const struct fs_key *prefix)
{
	struct fs_key key = *prefix;

	while (key.size > 0 && key.bytes[key.size - 1] == 0xff)
		key.size--;
	check(key.size > 0);
	key.bytes[key.size - 1]++;
	return key;
}

struct fs_key fs_key_holds_all(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'H');
	return key;
}

struct fs_key fs_key_holds(uint64_t session)
{
	struct fs_key key = fs_key_holds_all();

	add_number(&key, session, sizeof session);
	return key;
}

struct fs_key fs_key_holds_from(uint64_t session, uint64_t ino)
{
	struct fs_key key = fs_key_holds(session);

	add_number(&key, ino, sizeof ino);
	return key;
}

struct fs_key fs_key_hold(uint64_t session, uint64_t ino, enum fs_hold_kind kind)
{
	struct fs_key key = fs_key_holds_from(session, ino);

	add_letter(&key, (char)kind);
	return key;
}

struct fs_key fs_key_garbage_all(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'G');
	return key;
}

struct fs_key fs_key_garbage(uint64_t ino)
{
	struct fs_key key = fs_key_garbage_all();

	add_number(&key, ino, sizeof ino);
	return key;
}

static void add_attempt(struct fs_key *key, const struct attempt *attempt)
{
	add_number(key, attempt->anchor, sizeof attempt->anchor);
	add_number(key, attempt->region, sizeof attempt->region);
	add_number(key, attempt->term, sizeof attempt->term);
	add_number(key, attempt->number, sizeof attempt->number);
}

struct fs_key fs_key_intents_all(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'T');
	return key;
}

struct fs_key fs_key_intents(uint64_t ino)
{
	struct fs_key key = fs_key_intents_all();

	add_number(&key, ino, sizeof ino);
	return key;
}

struct fs_key fs_key_intent(uint64_t ino, const struct attempt *attempt, uint32_t index)
{
	struct fs_key key = fs_key_intents(ino);

	add_attempt(&key, attempt);
	add_number(&key, index, sizeof index);
	return key;
}

struct fs_key fs_key_committed_all(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'K');
	return key;
}

struct fs_key fs_key_committed(const struct attempt *attempt)
{
	struct fs_key key = fs_key_committed_all();

	add_attempt(&key, attempt);
	return key;
}

/* A key of a letter and a byte alone. */
static struct fs_key key_of_kind(char letter, uint8_t kind)
{
	struct fs_key key = {0};

	add_letter(&key, letter);
	add_letter(&key, (char)kind);
	return key;
}

struct fs_key fs_key_counter(uint8_t kind)
{
	return key_of_kind('C', kind);
}

struct fs_key fs_key_sessions(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'M');
	return key;
}

struct fs_key fs_key_session(uint64_t session)
{
	struct fs_key key = fs_key_sessions();

	add_number(&key, session, sizeof session);
	return key;
}

struct fs_key fs_key_registrations(uint64_t session)
{
	struct fs_key key = {0};

	add_letter(&key, 'R');
	add_number(&key, session, sizeof session);
	return key;
}

struct fs_key fs_key_registration(uint64_t session, uint64_t start)
{
	struct fs_key key = fs_key_registrations(session);

	add_number(&key, start, sizeof start);
	return key;
}

struct fs_key fs_key_stores(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'S');
	return key;
}

struct fs_key fs_key_store(uint64_t store)
{
	struct fs_key key = fs_key_stores();

	add_number(&key, store, sizeof store);
	return key;
}

struct fs_key fs_key_settings(void)
{
	struct fs_key key = {0};

	add_letter(&key, 'P');
	return key;
}

struct fs_key fs_key_setting(uint8_t setting)
{
	return key_of_kind('P', setting);
}

/* ---- Reading ---- */

/* What follows the dirid, the letter and `seq_size` bytes of seq. */
static struct reader rest_of(struct slice key, char letter, size_t seq_size)
{
	struct reader reader = reader_of(key);

	reader_bytes(&reader, DIRID_SIZE);
	if (reader_u8(&reader) != (uint8_t)letter)
		reader_fail(&reader);
	reader_bytes(&reader, seq_size);
	return reader;
}

static int finish(const struct reader *reader)
{
	return reader_finish(reader) == 0 ? 0 : STATUS_CORRUPT;
}

/* The rest of the key is a name: 1 to FS_NAME_SIZE_MAX bytes. */
static struct slice take_name(struct reader *reader)
{
	if (reader->size == 0 || reader->size > FS_NAME_SIZE_MAX)
		reader_fail(reader);
	return reader_bytes(reader, reader->size);
}

uint64_t fs_key_get_dirid(struct slice key)
{
	struct reader reader = reader_of(key);
	uint64_t dirid = (uint64_t)reader_u8(&reader) << 32 | reader_u32be(&reader);

	return reader.status == 0 && dirid < FS_DIRID_END ? dirid : FS_DIRID_END;
}

int fs_key_parse_inode(struct slice key, uint64_t *ino)
{
	struct reader reader = rest_of(key, 'I', 0);
	uint64_t dirid = fs_key_get_dirid(key);
	uint32_t seq = reader_u32be(&reader);

	*ino = fs_ino(dirid, seq);
	if (dirid == FS_DIRID_END || seq >= FS_SEQ_END)
		reader_fail(&reader);
	return finish(&reader);
}

int fs_key_parse_entry(struct slice key, uint64_t *hash, struct slice *name)
{
	struct reader reader = rest_of(key, 'E', 0);

	*hash = reader_u64be(&reader);
	*name = take_name(&reader);
	if (*hash >> FS_HASH_BITS != 0)
		reader_fail(&reader);
	return finish(&reader);
}

int fs_key_parse_xattr(struct slice key, struct slice *name)
{
	struct reader reader = rest_of(key, 'X', SEQ_SIZE);

	*name = take_name(&reader);
	return finish(&reader);
}

int fs_key_parse_lock(struct slice key, struct fs_lock_key *lock)
{
	struct reader reader = rest_of(key, 'L', SEQ_SIZE);

	lock->kind = reader_u8(&reader);
	lock->session = reader_u64be(&reader);
	lock->owner = reader_u64be(&reader);
	lock->start = reader_u64be(&reader);
	return finish(&reader);
}

int fs_key_parse_waiter(struct slice key, uint64_t *order)
{
	struct reader reader = rest_of(key, 'W', SEQ_SIZE);

	*order = reader_u64be(&reader);
	return finish(&reader);
}

int fs_key_parse_hold(struct slice key, uint64_t *session, uint64_t *ino, enum fs_hold_kind *kind)
{
	struct reader reader = reader_of(key);
	uint8_t letter;

	if (reader_u8(&reader) != 'H')
		reader_fail(&reader);
	*session = reader_u64be(&reader);
	*ino = reader_u64be(&reader);
	letter = reader_u8(&reader);
	if (letter != FS_HOLD_LOCK && letter != FS_HOLD_OPEN)
		reader_fail(&reader);
	*kind = (enum fs_hold_kind)letter;
	return finish(&reader);
}

/* A key of a letter and a number alone. */
static int parse_numbered(struct slice key, char letter, uint64_t *number)
{
	struct reader reader = reader_of(key);

	if (reader_u8(&reader) != (uint8_t)letter)
		reader_fail(&reader);
	*number = reader_u64be(&reader);
	return finish(&reader);
}

int fs_key_parse_garbage(struct slice key, uint64_t *ino)
{
	return parse_numbered(key, 'G', ino);
}

int fs_key_parse_session(struct slice key, uint64_t *session)
{
	return parse_numbered(key, 'M', session);
}

int fs_key_parse_registration(struct slice key, uint64_t *session, uint64_t *start)
{
	struct reader reader = reader_of(key);
	uint8_t letter = reader_u8(&reader);

	*session = reader_u64be(&reader);
	*start = reader_u64be(&reader);
	return letter == 'R' && *start < FS_DIRID_END && reader_finish(&reader) == 0 ? 0 : STATUS_CORRUPT;
}

int fs_key_parse_store(struct slice key, uint64_t *store)
{
	return parse_numbered(key, 'S', store);
}

static int parse_kind(struct slice key, char letter, uint8_t *kind)
{
	struct reader reader = reader_of(key);

	if (reader_u8(&reader) != (uint8_t)letter)
		reader_fail(&reader);
	*kind = reader_u8(&reader);
	return finish(&reader);
}

int fs_key_parse_setting(struct slice key, uint8_t *setting)
{
	return parse_kind(key, 'P', setting);
}

static void take_attempt(struct reader *reader, struct attempt *attempt)
{
	attempt->anchor = reader_u64be(reader);
	attempt->region = reader_u64be(reader);
	attempt->term = reader_u64be(reader);
	attempt->number = reader_u64be(reader);
	if (attempt->number == 0)
		reader_fail(reader);
}

int fs_key_parse_intent(struct slice key, uint64_t *ino, struct attempt *attempt, uint32_t *index)
{
	struct reader reader = reader_of(key);

	if (reader_u8(&reader) != 'T')
		reader_fail(&reader);
	*ino = reader_u64be(&reader);
	take_attempt(&reader, attempt);
	*index = reader_u32be(&reader);
	if (*index >= INTENTS_OF_ATTEMPT_MAX)
		reader_fail(&reader);
	return finish(&reader);
}

int fs_key_parse_committed(struct slice key, struct attempt *attempt)
{
	struct reader reader = reader_of(key);

	if (reader_u8(&reader) != 'K')
		reader_fail(&reader);
	take_attempt(&reader, attempt);
	return finish(&reader);
}

int fs_key_parse_counter(struct slice key, uint8_t *kind)
{
	return parse_kind(key, 'C', kind);
}
