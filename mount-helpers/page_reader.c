#include "mount-helpers/page_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/dispatcher.h"
#include "fs/schema/question.h"
#include "proto/completion.h"
#include "proto/container.h"
#include "proto/units.h"

#define PAGE_SIZE    (256u << 10) /* bytes */
#define LOOK_MS	     100u /* how often goes_on is called */
#define WHY_SIZE_MAX 160u

struct page_reader {
	struct page_reader_options options;
	struct store_list list;
	struct env_loop *loop;
	bool is_running;
	struct dispatcher *dispatcher;
	struct env_mail mail, giving_up;
	struct completion done;
	/* On the loop while a page is waited for: */
	struct question question;
	struct cluster_request request;
	bool is_under_way;
	uint64_t old_store; /* that does not know the question */
	char old_version[32];
	char why[WHY_SIZE_MAX]; /* a link failed last; empty: none has */
	/* Of the last page: */
	uint64_t region; /* that was asked; 0: no route was known */
	bool is_linked; /* to a store, when the answer came or was no longer waited for */
	uint8_t bytes[PAGE_SIZE];
	struct row_page page;
};

/* ---- On the loop ---- */

static int take_page(struct page_reader *reader, const struct cluster_answer *answer)
{
	struct finding finding = {.bytes = reader->bytes};
	int status = finding_take(&reader->question, answer->bytes, buf_slice(answer->data), &finding);

	return status == 0 ? row_page_decode(slice_of(reader->bytes, finding.count), &reader->page) : status;
}

static void on_page(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct page_reader *reader = container_of(request, struct page_reader, request);
	struct remote_stats stats;

	reader->is_under_way = false;
	reader->region = request->region;
	dispatcher_read_stats(reader->dispatcher, &stats);
	reader->is_linked = stats.links > 0;
	if (status == 0)
		status = take_page(reader, answer);
	buf_unref(request->body);
	completion_finish(&reader->done, status);
}

static void begin_page(struct env_mail *mail)
{
	struct page_reader *reader = container_of(mail, struct page_reader, mail);
	int status = question_encode(&reader->question, &reader->request.body);

	reader->why[0] = '\0';
	if (status == 0)
		status = dispatcher_run(reader->dispatcher, &reader->request);
	reader->is_under_way = status == 0;
	if (status == 0)
		return;
	buf_unref(reader->request.body);
	completion_finish(&reader->done, status);
}

static void give_up(struct env_mail *mail)
{
	struct page_reader *reader = container_of(mail, struct page_reader, giving_up);

	if (reader->is_under_way)
		dispatcher_give_up(&reader->request, -ECANCELED);
}

static void on_lost(void *argument, uint64_t session)
{
	(void)argument;
	(void)session;
}

static void on_failed(void *argument, const char *address, const struct status *why)
{
	struct page_reader *reader = argument;

	if (reader->is_under_way)
		snprintf(reader->why, sizeof reader->why, "; %.60s: %.90s", address, status_sentence(why));
}

static void on_refused(void *argument, uint64_t store, const char *version)
{
	struct page_reader *reader = argument;

	reader->old_store = store;
	snprintf(reader->old_version, sizeof reader->old_version, "%s", version);
}

static void on_stopped(void *argument)
{
	struct page_reader *reader = argument;

	completion_finish(&reader->done, 0);
}

static void stop(struct env_mail *mail)
{
	struct page_reader *reader = container_of(mail, struct page_reader, mail);

	dispatcher_stop(reader->dispatcher, on_stopped, reader);
}

/* ---- Asking ---- */

static int wait_for_page(struct page_reader *reader)
{
	struct env *env = reader->options.env;
	int status;

	while (!completion_wait_until(&reader->done, env, env_now(env) + LOOK_MS * NS_PER_MS, &status)) {
		if (reader->options.goes_on(reader->options.argument))
			continue;
		env_post(reader->loop, &reader->giving_up, give_up);
		status = completion_wait(&reader->done);
		return status < 0 ? status : -ECANCELED;
	}
	return status;
}

static int explain(const struct page_reader *reader, int code, struct status *status)
{
	unsigned long long region = reader->region;

	if (code == -ECANCELED)
		return status_set(status, code, "cancelled");
	if (code == STATUS_UNSUPPORTED)
		return status_set(status, code,
			"store %llu (version %.30s) is too old for a check while it is in use: "
			"upgrade it, or stop it and check its directory",
			(unsigned long long)reader->old_store, reader->old_version);
	if (code != -ETIMEDOUT)
		return status_set(
			status, code, "region %llu does not tell its rows: %s", region, status_name(code));
	if (region == 0 && reader->is_linked)
		return status_set(status, code,
			"no store knows which region has the keys from dirid:0x%llx on: see 'raftkv region "
			"ls'%s",
			reader->request.key.size == 0
				? 0ull
				: (unsigned long long)fs_key_get_dirid(fs_key_slice(&reader->request.key)),
			reader->why);
	if (region == 0)
		return status_set(
			status, code, "no store answers within %u s%s", PAGE_READER_PATIENCE_S, reader->why);
	return status_set(status, code,
		"region %llu has no leader that answers within %u s: see 'raftkv region show %llu' and "
		"'raftkv health'%s",
		region, PAGE_READER_PATIENCE_S, region, reader->why);
}

int page_reader_ask(struct page_reader *reader, const struct fs_key *key, struct slice cursor,
	struct row_page *page, struct status *status)
{
	int code;

	reader->question =
		(struct question){.kind = QUESTION_PAGE, .cursor = cursor, .size = sizeof reader->bytes};
	reader->request = (struct cluster_request){.kind = CLUSTER_REQUEST_READ,
		.key = *key,
		.weight = sizeof reader->bytes,
		.is_for_leader = true,
		.limit = PAGE_READER_PATIENCE_S * NS_PER_S,
		.done = on_page};
	env_post(reader->loop, &reader->mail, begin_page);
	code = wait_for_page(reader);
	if (code < 0)
		return explain(reader, code, status);
	*page = reader->page;
	return 0;
}

/* ---- Opening and closing ---- */

static int start(struct page_reader *reader, struct status *status)
{
	struct dispatcher_options options = {.logger = reader->options.logger,
		.seeds = &reader->list,
		.reads = REMOTE_READS_LEADER,
		.lost = on_lost,
		.failed = on_failed,
		.refused = on_refused,
		.argument = reader};
	int code = env_loop_new(reader->options.env, "pages", &reader->loop);

	options.loop = reader->loop;
	if (code == 0) {
		reader->dispatcher = dispatcher_new(&options);
		code = reader->dispatcher ? env_loop_start(reader->loop) : -ENOMEM;
	}
	reader->is_running = code == 0;
	return code < 0 ? status_set(status, code, "cannot make an event loop: %s", status_name(code)) : 0;
}

int page_reader_open(
	const struct page_reader_options *options, struct page_reader **out, struct status *status)
{
	struct page_reader *reader = calloc(1, sizeof *reader);
	int code;

	*out = NULL;
	if (!reader)
		return status_set(status, -ENOMEM, "out of memory");
	reader->options = *options;
	completion_init(&reader->done);
	code = store_list_parse(&reader->list, options->stores, status);
	if (code == 0)
		code = start(reader, status);
	if (code < 0)
		page_reader_close(reader);
	else
		*out = reader;
	return code;
}

void page_reader_close(struct page_reader *reader)
{
	if (!reader)
		return;
	if (reader->is_running) {
		env_post(reader->loop, &reader->mail, stop);
		completion_wait(&reader->done);
		env_loop_stop(reader->loop);
	}
	env_loop_free(reader->loop);
	dispatcher_free(reader->dispatcher);
	store_list_close(&reader->list);
	completion_close(&reader->done);
	free(reader);
}
