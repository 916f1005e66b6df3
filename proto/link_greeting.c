/* The greeting of a link: who is at the other end, and whether it is accepted. */
#include "proto/link_internal.h"

#include <errno.h>
#include <inttypes.h>

#include "proto/version.h"

void link_say_hello(struct link *link)
{
	char version[] = RAFTKV_VERSION;

	link->hello.protocol = LINK_PROTOCOL;
	link->hello.cluster = link->self->cluster;
	link->hello.store = link->self->store;
	link->hello.incarnation = link->self->incarnation;
	link->hello.directory_id = link->self->directory_id;
	link->hello.lives = (uint64_t *)(uintptr_t)link->self->lives;
	link->hello.n_lives = link->self->life_count;
	link->hello.version = version;
	if (link_send_frame(link, FRAME_HELLO, 0, &link->hello.base, NULL, 0) < 0)
		link_end(link, -ENOMEM, "out of memory for a greeting");
}

static int refuse_protocol(struct status *status, uint32_t protocol, const char *version)
{
	return status_set(status, -EPROTO,
		"it speaks protocol %" PRIu32 " (version %.20s), this is %u (version %s)", protocol, version,
		LINK_PROTOCOL, RAFTKV_VERSION);
}

/* Refuses a peer that no owner may accept. */
static int judge(const struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	const struct link_self *self = link->self;

	if (hello->protocol != LINK_PROTOCOL)
		return refuse_protocol(refusal, hello->protocol, hello->version);
	if (hello->cluster != 0 && hello->cluster != self->cluster)
		return status_set(refusal, -EXDEV,
			"it is of cluster %016" PRIx64 ", this is a store of %016" PRIx64, hello->cluster,
			self->cluster);
	if (hello->receiver != 0 && hello->receiver != self->store)
		return status_set(refusal, -ENXIO, "it looks for store %" PRIu64 ", this is store %" PRIu64,
			hello->receiver, self->store);
	return 0;
}

static void set_greeted(struct link *link)
{
	link->is_greeted = true;
	link->decoder.size_max = FRAME_SIZE_MAX;
}

static int answer_hello(struct link *link, const struct status *refusal)
{
	Raftkv__HelloReply reply = RAFTKV__HELLO_REPLY__INIT;
	char version[] = RAFTKV_VERSION;
	int status;

	link->is_deferred = false;
	reply.refusal = refusal->code < 0 ? (char *)(uintptr_t)refusal->text : reply.refusal;
	reply.refusal_status = refusal->code;
	reply.protocol = LINK_PROTOCOL;
	reply.cluster = link->self->cluster;
	reply.store = link->self->store;
	reply.incarnation = link->self->incarnation;
	reply.version = version;
	if (refusal->code == 0)
		set_greeted(link);
	link->is_refusing = refusal->code < 0;
	link->why = *refusal;
	status = link_send_frame(link, FRAME_HELLO_REPLY, 0, &reply.base, NULL, 0);
	return status < 0 || link->is_refusing ? -ECONNREFUSED : 0;
}

int link_on_hello(struct link *link, const struct frame *frame)
{
	Raftkv__Hello *hello = raftkv__hello__unpack(NULL, frame->head.size, frame->head.data);
	struct status refusal = {0};

	if (!hello)
		return STATUS_MALFORMED;
	if (judge(link, hello, &refusal) == 0)
		link->handlers.greeted(link->handlers.argument, link, hello, &refusal);
	raftkv__hello__free_unpacked(hello, NULL);
	if (link->is_closing)
		return -ECANCELED;
	return link->is_deferred ? 0 : answer_hello(link, &refusal);
}

void link_defer(struct link *link)
{
	link->is_deferred = true;
}

void link_answer(struct link *link, const struct status *refusal)
{
	int status;

	if (link->is_closing)
		return;
	status = answer_hello(link, refusal ? refusal : &(struct status){0});
	if (status < 0 && !link->is_refusing)
		link_end(link, status, "the greeting cannot be answered");
}

/* The code for `closed`: the refusals that the owner treats in ways of their own keep theirs. */
static int refusal_code(int status)
{
	return status == -EACCES || status == -ESTALE || status == -EPROTO ? status : -ECONNREFUSED;
}

int link_on_hello_reply(struct link *link, const struct frame *frame)
{
	Raftkv__HelloReply *reply = raftkv__hello_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct status why = {0};

	if (!reply)
		return STATUS_MALFORMED;
	if (reply->refusal[0] != '\0')
		status_set(&why, refusal_code(reply->refusal_status), "refused: %.240s", reply->refusal);
	else if (reply->protocol != LINK_PROTOCOL)
		refuse_protocol(&why, reply->protocol, reply->version);
	else if (link->self->cluster != 0 && reply->cluster != link->self->cluster)
		status_set(&why, -EXDEV, "it is of cluster %016" PRIx64, reply->cluster);
	else if (link->hello.receiver != 0 && reply->store != link->hello.receiver)
		status_set(&why, -ENXIO, "it is store %" PRIu64, reply->store);
	if (why.code == 0) {
		set_greeted(link);
		link->handlers.opened(link->handlers.argument, link, reply);
	}
	raftkv__hello_reply__free_unpacked(reply, NULL);
	if (why.code < 0)
		link_close(link, &why);
	return why.code;
}
