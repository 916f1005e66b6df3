#include "fs/eval/eval.h"

#include <errno.h>

#include "proto/status.h"
#include "fs/eval/families.h"
#include "fs/eval/split.h"
#include "fs/eval/transact.h"

/* Operations of op_is_of_cluster. */
static int dispatch_cluster(struct evaluation *evaluation, const struct op *op)
{
	switch (op->kind) {
	case OP_SESSION_OPEN:
		return eval_session_open(evaluation, &op->session_open);
	case OP_SESSION_REGISTER:
		return eval_session_register(evaluation, &op->session_register);
	case OP_SESSION_CLOSE:
		return eval_session_close(evaluation, &op->session_end);
	case OP_SESSION_REMOVE:
		return eval_session_remove(evaluation, &op->session_end);
	case OP_STORE_ENTER:
		return eval_store_enter(evaluation, &op->store_enter);
	case OP_STORE_SET:
		return eval_store_set(evaluation, &op->store_set);
	case OP_SETTING_SET:
		return eval_setting_set(evaluation, &op->setting_set);
	case OP_ALLOCATE:
		return eval_allocate(evaluation, op->allocate.counter, &evaluation->reply.id);
	default:
		return STATUS_MALFORMED;
	}
}

static int dispatch(struct evaluation *evaluation, const struct op *op)
{
	switch (op->kind) {
	case OP_MAKE:
		return eval_make(evaluation, &op->make);
	case OP_TMPFILE:
		return eval_tmpfile(evaluation, &op->tmpfile);
	case OP_LINK:
		return eval_link(evaluation, &op->link);
	case OP_UNLINK:
		return eval_unlink(evaluation, &op->remove);
	case OP_RMDIR:
		return eval_rmdir(evaluation, &op->remove);
	case OP_RENAME:
		return eval_rename(evaluation, &op->rename);
	case OP_SETATTR:
		return eval_setattr(evaluation, &op->setattr);
	case OP_WRITE:
		return eval_write(evaluation, &op->write);
	case OP_FALLOCATE:
		return eval_fallocate(evaluation, &op->fallocate);
	case OP_COPY:
		return eval_copy(evaluation, &op->copy);
	case OP_SETXATTR:
		return eval_setxattr(evaluation, &op->setxattr);
	case OP_REMOVEXATTR:
		return eval_removexattr(evaluation, &op->removexattr);
	case OP_LOCK:
		return eval_lock(evaluation, &op->lock);
	case OP_HOLD:
		return eval_hold(evaluation, &op->hold);
	case OP_RELEASE:
		return eval_release(evaluation, &op->release);
	case OP_SESSION_END:
		return eval_session_end(evaluation, &op->session_end);
	case OP_RECLAIM:
		return eval_reclaim(evaluation);
	case OP_FORMAT:
		return eval_format(evaluation, &op->format);
	case OP_SESSION_ADMIT:
		return eval_session_admit(evaluation, &op->session_admit);
	case OP_SESSION_FORGET:
		return eval_session_forget(evaluation, &op->session_end);
	case OP_GRACE_END:
		return eval_grace_end(evaluation, &op->grace_end);
	case OP_PREPARE:
		return eval_prepare(evaluation, &op->prepare);
	case OP_RESOLVE:
		return eval_resolve(evaluation, &op->resolve);
	case OP_TRANSACT_END:
		return eval_transact_end(evaluation, &op->resolve);
	case OP_TRANSACT: /* carries one of the others out: evaluate_op */
		return STATUS_MALFORMED;
	default:
		return dispatch_cluster(evaluation, op);
	}
}

/* An errno is the operation's answer, except those that mean that the evaluation itself failed. */
static bool is_answer(int status)
{
	return status < 0 && status > STATUS_FIRST && status != -EIO && status != -ENOMEM;
}

static int finish(struct evaluation *evaluation, int status)
{
	struct op_reply *reply = &evaluation->reply;

	if (is_answer(status)) {
		*reply = (struct op_reply){.error = status, .blocker = reply->blocker};
		mutations_close(evaluation->mutations);
		return 0;
	}
	if (status == STATUS_NOT_FOUND)
		return STATUS_CORRUPT; /* a row is missing that another row implies */
	if (status == 0) {
		evaluation_write_inodes(evaluation);
		status = evaluation_count_inodes(evaluation);
	}
	if (status == 0)
		status = evaluation->mutations->status;
	return status == 0 ? transact_commit(evaluation) : status;
}

/* May it need rows of other regions? Others that do fail with STATUS_KEY_NOT_IN_REGION. */
static bool is_of_names(enum op_kind kind)
{
	return kind == OP_MAKE || kind == OP_LINK || kind == OP_UNLINK || kind == OP_RMDIR ||
	       kind == OP_RENAME;
}

static int evaluate_op(struct evaluation *evaluation, const struct op *op)
{
	struct fs_key key = op_key(op);
	struct op inner;
	int status;

	if (op->kind == OP_TRANSACT && !evaluation->transact) {
		status = transact_enter(evaluation, &op->transact);
		if (status == 0 && op->transact.answer.size > 0)
			return op_reply_decode(op->transact.answer, &evaluation->reply);
		if (status == 0)
			status = op_decode(op->transact.body, &inner);
		return status == 0 ? evaluate_op(evaluation, &inner) : status;
	}
	evaluation->may_lack = is_of_names(op->kind);
	if (evaluation->may_lack && !evaluation_has_key(evaluation, fs_key_slice(&key)))
		return STATUS_KEY_NOT_IN_REGION;
	return finish(evaluation, dispatch(evaluation, op));
}

static int evaluate(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
	struct mutations *mutations, struct buf **reply)
{
	struct evaluation evaluation;
	struct op op;
	int status = op_decode(input->body, &op);

	(void)evaluator;
	if (status != 0)
		return status;
	evaluation_init(&evaluation, view, input, mutations);
	status = evaluate_op(&evaluation, &op);
	if (status == 0)
		status = op_reply_encode(&evaluation.reply, reply);
	else
		status = transact_answer_lack(&evaluation, status, reply);
	if (status == 0)
		status = transact_check_answer(&evaluation, reply);
	evaluation_close(&evaluation);
	return status;
}

static const struct evaluator_ops file_evaluator_ops = {
	.evaluate = evaluate, .may_begin = eval_may_begin, .split_fate = eval_split_fate};
static const struct evaluator file_evaluator = {.ops = &file_evaluator_ops};

struct evaluator *eval_evaluator(void)
{
	return (struct evaluator *)&file_evaluator; /* it has no state to write */
}
