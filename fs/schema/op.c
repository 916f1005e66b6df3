#include "fs/schema/op.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/status.h"
#include "fs/schema/coder.h"
#include "fs/schema/op_fields.h"

/* The highest versions that this program reads (coder.h). */
#define OP_VERSION     1
#define REPLY_VERSION  1
#define REPLY_SIZE_MAX 1024u /* bytes */
#define ERRNO_MAX      4095

int op_check_name(struct slice name)
{
	const char *text = name.data;

	if (name.size > FS_NAME_SIZE_MAX)
		return -ENAMETOOLONG;
	if (name.size == 0 || memchr(text, '/', name.size) || memchr(text, '\0', name.size))
		return -EINVAL;
	if (text[0] == '.' && (name.size == 1 || (name.size == 2 && text[1] == '.')))
		return -EINVAL;
	return 0;
}

/* ---- The fields of each kind ---- */

static void code_caller(struct coder *coder, struct op_caller *caller)
{
	coder_u32(coder, &caller->uid);
	coder_u32(coder, &caller->gid);
}

static void code_make(struct coder *coder, struct op_make *make)
{
	code_caller(coder, &make->caller);
	coder_u64(coder, &make->parent);
	coder_name(coder, &make->name);
	coder_u32(coder, &make->mode);
	coder_u32(coder, &make->umask);
	coder_u32(coder, &make->rdev);
	coder_slice(coder, &make->target, FS_SYMLINK_SIZE_MAX);
	coder_check(coder, S_ISLNK(make->mode) == (make->target.size > 0));
	coder_check(coder, make->target.size == 0 || !memchr(make->target.data, '\0', make->target.size));
	coder_bool(coder, &make->exclusive);
}

static void code_tmpfile(struct coder *coder, struct op_tmpfile *tmpfile)
{
	code_caller(coder, &tmpfile->caller);
	coder_u64(coder, &tmpfile->parent);
	coder_u32(coder, &tmpfile->mode);
	coder_u32(coder, &tmpfile->umask);
}

static void code_link(struct coder *coder, struct op_link *link)
{
	coder_u64(coder, &link->ino);
	coder_u64(coder, &link->parent);
	coder_name(coder, &link->name);
}

static void code_remove(struct coder *coder, struct op_remove *remove)
{
	coder_u64(coder, &remove->parent);
	coder_name(coder, &remove->name);
	coder_bool(coder, &remove->hold);
}

static void code_rename(struct coder *coder, struct op_rename *rename)
{
	code_caller(coder, &rename->caller);
	coder_u64(coder, &rename->parent);
	coder_name(coder, &rename->name);
	coder_u64(coder, &rename->new_parent);
	coder_name(coder, &rename->new_name);
	coder_u32(coder, &rename->flags);
	coder_bool(coder, &rename->hold);
}

static void code_release(struct coder *coder, struct op_release *release)
{
	coder_u32(coder, &release->count);
	coder_check(coder, release->count > 0 && release->count <= OP_RELEASE_COUNT_MAX);
	for (uint32_t i = 0; !coder->is_bad && i < release->count; i++) {
		coder_u64(coder, &release->inos[i]);
		for (uint32_t before = 0; before < i; before++)
			coder_check(coder, release->inos[before] != release->inos[i]);
	}
}

static void code_grace_end(struct coder *coder, struct op_grace_end *end)
{
	coder_slice(coder, &end->inos, OP_GRACE_END_COUNT_MAX * sizeof(uint64_t));
	coder_check(coder, end->inos.size > 0 && end->inos.size % sizeof(uint64_t) == 0);
}

static void code_setattr(struct coder *coder, struct op_setattr *setattr)
{
	coder_u64(coder, &setattr->ino);
	coder_u32(coder, &setattr->valid);
	coder_known(coder, (setattr->valid & ~OP_SET_ALL) == 0);
	coder_u32(coder, &setattr->mode);
	coder_u32(coder, &setattr->uid);
	coder_u32(coder, &setattr->gid);
	coder_u32(coder, &setattr->flags);
	coder_u64(coder, &setattr->size);
	coder_time(coder, &setattr->atime);
	coder_time(coder, &setattr->mtime);
	coder_time(coder, &setattr->ctime);
}

static void code_write(struct coder *coder, struct op_write *write)
{
	coder_u64(coder, &write->ino);
	coder_u64(coder, &write->offset);
	coder_u32(coder, &write->flags);
	coder_known(coder, (write->flags & ~OP_WRITE_ALL) == 0);
	coder_time(coder, &write->time);
}

static void code_fallocate(struct coder *coder, struct op_fallocate *fallocate)
{
	coder_u64(coder, &fallocate->ino);
	coder_u32(coder, &fallocate->mode);
	coder_u64(coder, &fallocate->offset);
	coder_u64(coder, &fallocate->length);
	coder_bool(coder, &fallocate->kill);
}

static void code_copy(struct coder *coder, struct op_copy *copy)
{
	coder_u64(coder, &copy->source);
	coder_u64(coder, &copy->source_offset);
	coder_u64(coder, &copy->ino);
	coder_u64(coder, &copy->offset);
	coder_u64(coder, &copy->length);
	coder_bool(coder, &copy->kill);
}

static void code_xattr_name(struct coder *coder, struct slice *name)
{
	coder_slice(coder, name, FS_NAME_SIZE_MAX);
	coder_check(coder, name->size > 0 && !memchr(name->data, '\0', name->size));
}

static void code_setxattr(struct coder *coder, struct op_setxattr *setxattr)
{
	coder_u64(coder, &setxattr->ino);
	code_xattr_name(coder, &setxattr->name);
	coder_slice(coder, &setxattr->value, FS_XATTR_SIZE_MAX);
	coder_u32(coder, &setxattr->flags);
	coder_known(coder, (setxattr->flags & ~OP_XATTR_ALL) == 0);
}

static void code_removexattr(struct coder *coder, struct op_removexattr *removexattr)
{
	coder_u64(coder, &removexattr->ino);
	code_xattr_name(coder, &removexattr->name);
}

void code_lock(struct coder *coder, struct lock *lock)
{
	uint8_t kind = (uint8_t)lock->kind, type = (uint8_t)lock->type;

	coder_u8(coder, &kind);
	coder_known(coder, kind == LOCK_FLOCK || kind == LOCK_POSIX);
	lock->kind = (enum lock_kind)kind;
	coder_u8(coder, &type);
	coder_known(coder, type <= FS_LOCK_WRITE);
	lock->type = (enum lock_type)type;
	coder_u64(coder, &lock->owner);
	coder_u64(coder, &lock->start);
	coder_u64(coder, &lock->end);
	coder_check(coder, lock->start <= lock->end && lock->end <= INT64_MAX);
	coder_u32(coder, &lock->pid);
}

static void code_op_lock(struct coder *coder, struct op_lock *lock)
{
	uint32_t waits = lock->waits;

	coder_u64(coder, &lock->ino);
	code_lock(coder, &lock->lock);
	coder_late_u32(coder, &waits);
	coder_known(coder, waits <= 1);
	lock->waits = waits == 1;
}

/* ---- The cluster's own records ---- */

static void code_session_open(struct coder *coder, struct op_session_open *open)
{
	struct session_record record = {.state = SESSION_LIVE,
		.pid = open->pid,
		.host = open->host,
		.mount_point = open->mount_point};

	code_session_record(coder, &record);
	open->pid = record.pid;
	open->host = record.host;
	open->mount_point = record.mount_point;
}

static void code_session_register(struct coder *coder, struct op_session_register *registered)
{
	coder_u64(coder, &registered->session);
	coder_u64(coder, &registered->start);
	coder_u64(coder, &registered->end);
	coder_check(coder, registered->start < registered->end && registered->end <= FS_DIRID_END);
}

static void code_store_enter(struct coder *coder, struct op_store_enter *enter)
{
	struct store_record record = {.state = STORE_UP,
		.incarnation = enter->incarnation,
		.directory_id = enter->directory_id,
		.address = enter->address};

	coder_u64(coder, &enter->id);
	code_store_record(coder, &record);
	enter->incarnation = record.incarnation;
	enter->directory_id = record.directory_id;
	enter->address = record.address;
}

static void code_store_set(struct coder *coder, struct op_store_set *set)
{
	uint8_t state = (uint8_t)set->state;

	coder_u64(coder, &set->id);
	coder_u8(coder, &state);
	coder_known(coder, state >= STORE_UP && state <= STORE_LOST);
	set->state = (enum store_state)state;
	coder_u64(coder, &set->replacement);
}

static void code_setting_set(struct coder *coder, struct op_setting_set *set)
{
	uint8_t setting = (uint8_t)set->setting;

	coder_u8(coder, &setting);
	coder_check(coder, setting > 0);
	coder_known(coder, setting < SETTING_END);
	set->setting = (enum cluster_setting)setting;
	coder_bool(coder, &set->is_set);
	coder_u64(coder, &set->value);
	coder_known(coder, set->is_set ? cluster_setting_takes(set->setting, set->value) : set->value == 0);
}

static void code_allocate(struct coder *coder, struct op_allocate *allocate)
{
	uint8_t counter = (uint8_t)allocate->counter;

	coder_u8(coder, &counter);
	coder_known(coder, counter == COUNTER_SESSION || counter == COUNTER_STORE ||
				   counter == COUNTER_REPLICA || counter == COUNTER_REGION);
	allocate->counter = (enum counter_kind)counter;
}

static void code_cluster_op(struct coder *coder, struct op *op)
{
	switch (op->kind) {
	case OP_SESSION_OPEN:
		code_session_open(coder, &op->session_open);
		break;
	case OP_SESSION_REGISTER:
		code_session_register(coder, &op->session_register);
		break;
	case OP_SESSION_ADMIT:
		coder_u64(coder, &op->session_admit.session);
		coder_u64(coder, &op->session_admit.forgets);
		break;
	case OP_SESSION_CLOSE:
	case OP_SESSION_FORGET:
	case OP_SESSION_REMOVE:
		coder_u64(coder, &op->session_end.session);
		break;
	case OP_SESSION_END:
		coder_u64(coder, &op->session_end.session);
		coder_u64(coder, &op->session_end.from);
		break;
	case OP_STORE_ENTER:
		code_store_enter(coder, &op->store_enter);
		break;
	case OP_STORE_SET:
		code_store_set(coder, &op->store_set);
		break;
	case OP_SETTING_SET:
		code_setting_set(coder, &op->setting_set);
		break;
	case OP_ALLOCATE:
		code_allocate(coder, &op->allocate);
		break;
	default:
		coder_known(coder, false);
	}
}

/* ---- Operations across regions ---- */

/* May an attempt carry it out? It is an operation of one key. 0, STATUS_UNSUPPORTED or STATUS_MALFORMED. */
static int check_inner(struct slice body)
{
	const uint8_t *bytes = body.data;
	struct op inner;
	int status;

	/* The kind is behind the version: an operation across regions is not decoded, because it has a body, too. */
	if (body.size > 1 && bytes[1] >= OP_TRANSACT && bytes[1] <= OP_TRANSACT_END)
		return STATUS_MALFORMED;
	status = op_decode(body, &inner);
	if (status == 0 && op_key(&inner).size == 0)
		status = STATUS_MALFORMED;
	return status;
}

static void code_transact(struct coder *coder, struct op_transact *transact)
{
	struct op_reply reply;
	int status;

	code_attempt(coder, &transact->attempt);
	code_intent_age(coder, &transact->age);
	coder_u64(coder, &transact->wall);
	coder_fixed(coder, &transact->random[0]);
	coder_fixed(coder, &transact->random[1]);
	coder_slice(coder, &transact->facts, FACTS_SIZE_MAX);
	coder_check(coder, facts_check(transact->facts) == 0);
	coder_slice(coder, &transact->prepared, INTENTS_SIZE_MAX);
	coder_check(coder, transact->prepared.size == 0 || intents_check(transact->prepared) == 0);
	coder_slice(coder, &transact->body, OP_BODY_SIZE_MAX);
	status = check_inner(transact->body);
	coder_known(coder, status != STATUS_UNSUPPORTED);
	coder_check(coder, status == 0 || status == STATUS_UNSUPPORTED);
	coder_slice(coder, &transact->answer, REPLY_SIZE_MAX);
	coder_check(coder, transact->answer.size == 0 || op_reply_decode(transact->answer, &reply) == 0);
}

/* How many there are; 0: not all are of one dirid. */
static uint32_t count_of_one_dirid(struct slice intents)
{
	uint64_t dirid = FS_DIRID_END;
	struct intent intent;
	uint32_t count = 0;

	while (intent_next(&intents, &intent)) {
		if (count > 0 && fs_ino_dirid(intent.ino) != dirid)
			return 0;
		dirid = fs_ino_dirid(intent.ino);
		count++;
	}
	return count;
}

static void code_prepare(struct coder *coder, struct op_prepare *prepare)
{
	uint32_t count;

	code_attempt(coder, &prepare->attempt);
	code_intent_age(coder, &prepare->age);
	coder_u64(coder, &prepare->wall);
	coder_u32(coder, &prepare->first);
	coder_slice(coder, &prepare->intents, INTENTS_SIZE_MAX);
	coder_check(coder, intents_check(prepare->intents) == 0);
	count = count_of_one_dirid(prepare->intents);
	coder_check(coder, count > 0 && prepare->first <= INTENTS_OF_ATTEMPT_MAX - count);
}

static bool are_of_one_dirid(struct slice places)
{
	struct intent_place first, place;

	if (!intent_place_next(&places, &first))
		return false;
	while (intent_place_next(&places, &place))
		if (fs_ino_dirid(place.ino) != fs_ino_dirid(first.ino))
			return false;
	return true;
}

static void code_resolve(struct coder *coder, struct op_resolve *resolve)
{
	code_attempt(coder, &resolve->attempt);
	coder_bool(coder, &resolve->is_committed);
	coder_slice(coder, &resolve->places, INTENTS_SIZE_MAX);
	coder_check(coder, intent_places_check(resolve->places) == 0 && are_of_one_dirid(resolve->places));
}

static void code_step(struct coder *coder, struct op *op)
{
	if (op->kind == OP_TRANSACT)
		code_transact(coder, &op->transact);
	else if (op->kind == OP_PREPARE)
		code_prepare(coder, &op->prepare);
	else if (op->kind == OP_RESOLVE)
		code_resolve(coder, &op->resolve);
	else
		code_attempt(coder, &op->resolve.attempt);
}

/* The key of the operation that it carries out, which decoding has checked. */
static struct fs_key inner_key(struct slice body)
{
	struct op inner;

	return op_decode(body, &inner) == 0 ? op_key(&inner) : (struct fs_key){0};
}

static struct fs_key intents_key(struct slice intents)
{
	struct intent intent;

	return intent_next(&intents, &intent) ? fs_key_inode(intent.ino) : (struct fs_key){0};
}

static struct fs_key places_key(struct slice places)
{
	struct intent_place place;

	return intent_place_next(&places, &place) ? fs_key_inode(place.ino) : (struct fs_key){0};
}

/* ---- All of them ---- */

static void code_op(struct coder *coder, struct op *op)
{
	switch (op->kind) {
	case OP_MAKE:
		code_make(coder, &op->make);
		break;
	case OP_TMPFILE:
		code_tmpfile(coder, &op->tmpfile);
		break;
	case OP_LINK:
		code_link(coder, &op->link);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		code_remove(coder, &op->remove);
		break;
	case OP_RENAME:
		code_rename(coder, &op->rename);
		break;
	case OP_SETATTR:
		code_setattr(coder, &op->setattr);
		break;
	case OP_WRITE:
		code_write(coder, &op->write);
		break;
	case OP_FALLOCATE:
		code_fallocate(coder, &op->fallocate);
		break;
	case OP_COPY:
		code_copy(coder, &op->copy);
		break;
	case OP_SETXATTR:
		code_setxattr(coder, &op->setxattr);
		break;
	case OP_REMOVEXATTR:
		code_removexattr(coder, &op->removexattr);
		break;
	case OP_LOCK:
		code_op_lock(coder, &op->lock);
		break;
	case OP_HOLD:
		coder_u64(coder, &op->hold.ino);
		break;
	case OP_RELEASE:
		code_release(coder, &op->release);
		break;
	case OP_FORMAT:
		code_caller(coder, &op->format.caller);
		coder_u32(coder, &op->format.mode);
		break;
	case OP_RECLAIM:
		break;
	case OP_GRACE_END:
		code_grace_end(coder, &op->grace_end);
		break;
	case OP_TRANSACT:
	case OP_PREPARE:
	case OP_RESOLVE:
	case OP_TRANSACT_END:
		code_step(coder, op);
		break;
	default:
		code_cluster_op(coder, op);
	}
}

struct fs_key op_key(const struct op *op)
{
	switch (op->kind) {
	case OP_MAKE:
		return fs_key_inode(op->make.parent);
	case OP_TMPFILE:
		return fs_key_inode(op->tmpfile.parent);
	case OP_LINK:
		return fs_key_inode(op->link.parent);
	case OP_UNLINK:
	case OP_RMDIR:
		return fs_key_inode(op->remove.parent);
	case OP_RENAME:
		return fs_key_inode(op->rename.new_parent);
	case OP_SETATTR:
		return fs_key_inode(op->setattr.ino);
	case OP_WRITE:
		return fs_key_inode(op->write.ino);
	case OP_FALLOCATE:
		return fs_key_inode(op->fallocate.ino);
	case OP_COPY:
		return fs_key_inode(op->copy.ino);
	case OP_SETXATTR:
		return fs_key_inode(op->setxattr.ino);
	case OP_REMOVEXATTR:
		return fs_key_inode(op->removexattr.ino);
	case OP_LOCK:
		return fs_key_inode(op->lock.ino);
	case OP_HOLD:
		return fs_key_inode(op->hold.ino);
	case OP_RELEASE:
		return fs_key_inode(op->release.inos[0]);
	case OP_FORMAT:
		return fs_key_inode(FS_ROOT_INO);
	case OP_TRANSACT:
		return inner_key(op->transact.body);
	case OP_PREPARE:
		return intents_key(op->prepare.intents);
	case OP_RESOLVE:
		return places_key(op->resolve.places);
	case OP_TRANSACT_END:
		return fs_key_inode(op->resolve.attempt.anchor);
	case OP_SESSION_OPEN:
	case OP_SESSION_REGISTER:
	case OP_SESSION_ADMIT:
	case OP_SESSION_CLOSE:
	case OP_SESSION_FORGET:
	case OP_SESSION_END:
	case OP_SESSION_REMOVE:
	case OP_STORE_ENTER:
	case OP_STORE_SET:
	case OP_SETTING_SET:
	case OP_ALLOCATE:
	case OP_RECLAIM:
	case OP_GRACE_END:
	case OP_KIND_END:
		break;
	}
	return (struct fs_key){0};
}

bool op_is_of_cluster(enum op_kind kind)
{
	return kind == OP_SESSION_OPEN || kind == OP_SESSION_REGISTER || kind == OP_SESSION_CLOSE ||
	       kind == OP_SESSION_REMOVE || kind == OP_STORE_ENTER || kind == OP_STORE_SET ||
	       kind == OP_SETTING_SET || kind == OP_ALLOCATE;
}

/* Mistakes that a caller may make, as the errno that it is to see. */
static int check_names(const struct op *op)
{
	int status = 0;

	if (op->kind == OP_MAKE) {
		status = op_check_name(op->make.name);
		if (status == 0 && op->make.target.size > FS_SYMLINK_SIZE_MAX)
			status = -ENAMETOOLONG;
	} else if (op->kind == OP_LINK) {
		status = op_check_name(op->link.name);
	} else if (op->kind == OP_UNLINK || op->kind == OP_RMDIR) {
		status = op_check_name(op->remove.name);
	} else if (op->kind == OP_RENAME) {
		status = op_check_name(op->rename.name);
		status = status ? status : op_check_name(op->rename.new_name);
	} else if (op->kind == OP_SETXATTR && op->setxattr.value.size > FS_XATTR_SIZE_MAX) {
		status = -E2BIG;
	}
	return status;
}

int op_encode(const struct op *op, struct buf **body)
{
	struct writer writer =
		writer_growing(op->kind == OP_TRANSACT ? OP_TRANSACT_SIZE_MAX : OP_BODY_SIZE_MAX);
	struct coder coder = {.writer = &writer};
	struct op copy = *op;
	int status = check_names(op);

	*body = NULL;
	if (status != 0)
		return status;
	coder_version(&coder, 1, OP_VERSION);
	writer_u8(&writer, (uint8_t)op->kind);
	code_op(&coder, &copy);
	if (coder.is_bad) {
		writer_close(&writer);
		return -EINVAL;
	}
	return writer_take(&writer, body);
}

int op_decode(struct slice body, struct op *op)
{
	struct reader reader = reader_of(body);
	struct coder coder = {.reader = &reader};

	*op = (struct op){0};
	coder_version(&coder, 0, OP_VERSION);
	op->kind = (enum op_kind)reader_u8(&reader);
	coder_check(&coder, op->kind > 0);
	code_op(&coder, op);
	return coder_finish(&coder);
}

/* ---- Replies ---- */

void code_attributes(struct coder *coder, struct attributes *attributes)
{
	coder_u64(coder, &attributes->ino);
	coder_u32(coder, &attributes->generation);
	coder_u32(coder, &attributes->mode);
	coder_u32(coder, &attributes->nlink);
	coder_u32(coder, &attributes->uid);
	coder_u32(coder, &attributes->gid);
	coder_u32(coder, &attributes->rdev);
	coder_u32(coder, &attributes->flags);
	coder_bool(coder, &attributes->is_bare);
	coder_u64(coder, &attributes->size);
	coder_u64(coder, &attributes->blocks);
	coder_u64(coder, &attributes->data_version);
	coder_time(coder, &attributes->atime);
	coder_time(coder, &attributes->mtime);
	coder_time(coder, &attributes->ctime);
	coder_time(coder, &attributes->btime);
}

static void code_victim(struct coder *coder, struct op_victim *victim)
{
	coder_u64(coder, &victim->ino);
	if (victim->ino == 0)
		return;
	coder_u32(coder, &victim->nlink);
	coder_bool(coder, &victim->is_gone);
}

void code_blocker(struct coder *coder, struct lock *blocker)
{
	bool has = blocker->type != FS_LOCK_NONE;

	coder_bool(coder, &has);
	if (!has)
		return;
	coder_u64(coder, &blocker->session);
	code_lock(coder, blocker);
}

static void code_reply(struct coder *coder, struct op_reply *reply)
{
	uint32_t error = (uint32_t)-reply->error;

	coder_u32(coder, &error);
	coder_check(coder, error <= ERRNO_MAX);
	reply->error = error <= ERRNO_MAX ? -(int)error : 0;
	coder_bool(coder, &reply->has_attributes);
	if (reply->has_attributes)
		code_attributes(coder, &reply->attributes);
	coder_bool(coder, &reply->has_other);
	if (reply->has_other)
		code_attributes(coder, &reply->other);
	coder_bool(coder, &reply->existed);
	coder_bool(coder, &reply->more);
	coder_u64(coder, &reply->offset);
	coder_u64(coder, &reply->count);
	coder_u64(coder, &reply->id);
	code_victim(coder, &reply->victim);
	code_blocker(coder, &reply->blocker);
	coder_late_u32(coder, &reply->before);
}

int op_reply_encode(const struct op_reply *reply, struct buf **bytes)
{
	struct writer writer = writer_growing(REPLY_SIZE_MAX);
	struct coder coder = {.writer = &writer};
	struct op_reply copy = *reply;

	coder_version(&coder, 1, REPLY_VERSION);
	code_reply(&coder, &copy);
	check(!coder.is_bad);
	return writer_take(&writer, bytes);
}

int op_reply_decode(struct slice bytes, struct op_reply *reply)
{
	struct reader reader = reader_of(bytes);
	struct coder coder = {.reader = &reader};

	*reply = (struct op_reply){0};
	coder_version(&coder, 0, REPLY_VERSION);
	code_reply(&coder, reply);
	return coder_finish(&coder) == 0 ? 0 : STATUS_MALFORMED;
}
