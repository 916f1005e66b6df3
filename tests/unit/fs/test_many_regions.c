/*
 * Questions where a directory's children lie in other regions: what a region answers about them, and a mount (fs/client)
 * between simulated machines that asks three stores. Each store leads one region and answers from the same files, of which
 * it sees its region's part.
 */
#include "fs/client/remote_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/listing.h"
#include "fs/schema/usage.h"
#include "proto/check.h"
#include "proto/plant.h"
#include "proto/units.h"
#include "tests/lib/fs_harness.h"
#include "tests/lib/sim_server.h"
#include "tests/lib/test.h"

#define STORES	    3u /* store N leads region N */
#define CLUSTER	    99
#define DIRECTORIES 6u /* of the root, each with a dirid of its own */
#define HELD_MAX    256u
#define TEXT_SIZE   (256u << 10)
#define PATIENCE    (60 * (uint64_t)SIM_S)

struct fixture;

struct store {
	struct fixture *fixture;
	struct sim_server server;
	bool is_silent;
	uint32_t asked[QUESTION_KIND_END]; /* for its region */
	uint32_t inodes; /* that it was asked for */
};

struct fixture {
	struct fs_harness files;
	uint64_t directories[DIRECTORIES]; /* ascending */
	struct fs_key starts[STORES]; /* of the regions */
	/* The stores. */
	struct sim_world *world;
	struct store stores[STORES];
	bool tells_one; /* routes: only that of the key */
	bool is_one; /* region 1 has all */
	uint64_t epoch; /* of the regions */
	void (*before)(struct fixture *fixture, const struct question *question); /* an answer; may be NULL */
	uint32_t changes; /* by `before` */
	struct rpc_request *held[HELD_MAX]; /* by silent stores */
	uint32_t held_count;
	/* The mount. */
	struct sim_node *node;
	struct env_loop *loop;
	struct remote_options options;
	struct store_list seeds;
	struct remote *remote;
	bool is_started, is_stopped;
	/* The read under way. */
	struct client_read read;
	struct finding finding;
	char *text; /* of a listing */
	size_t text_size;
	uint32_t entries, bare; /* of it, bare: without attributes */
	uint32_t entries_max;
	char value[256]; /* of an xattr */
	bool is_done, has_given_up;
	uint32_t done_count;
	int error;
};

/* ---- Files ---- */

static int compare_inodes(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The root has "near", which is a file of its own, and directories. Region 1 is below the first of them; region 3 begins
 * with the fourth. Each directory has a file that the root has a second name for, "far0" to "far5". */
static void make_files(struct fixture *fixture)
{
	struct fs_harness *files = &fixture->files;
	char name[16];

	fs_harness_init(files, 5);
	assert_true(is_ino(fs_make(files, FS_ROOT_INO, "near", S_IFREG | 0644)));
	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof name, "d%u", i);
		fixture->directories[i] = (uint64_t)fs_make(files, FS_ROOT_INO, name, S_IFDIR | 0755);
	}
	qsort(fixture->directories, DIRECTORIES, sizeof *fixture->directories, compare_inodes);
	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		int64_t file = fs_make(files, fixture->directories[i], "file", S_IFREG | 0640);

		snprintf(name, sizeof name, "far%u", i);
		assert_int_equal(fs_link(files, (uint64_t)file, FS_ROOT_INO, name), 0);
	}
	fixture->starts[1] = fs_key_dirid(fs_ino_dirid(fixture->directories[0]));
	fixture->starts[2] = fs_key_dirid(fs_ino_dirid(fixture->directories[3]));
}

static struct slice end_of(const struct fixture *fixture, uint32_t region)
{
	return region < STORES ? fs_key_slice(&fixture->starts[region]) : (struct slice){0};
}

static uint32_t region_of_key(const struct fixture *fixture, struct slice key)
{
	uint32_t region = 1;

	while (region < STORES && slice_compare(key, end_of(fixture, region)) >= 0)
		region++;
	return region;
}

/* Region 0: all keys. */
static struct view *view_of(struct fixture *fixture, uint32_t region)
{
	struct memory_view *memory = fixture->files.memory;

	if (region == 0 || (region == 1 && fixture->is_one))
		memory_view_set_range(memory, (struct slice){0}, (struct slice){0});
	else
		memory_view_set_range(
			memory, fs_key_slice(&fixture->starts[region - 1]), end_of(fixture, region));
	return fixture->files.view;
}

/* ---- Listings as text ---- */

static void begin_text(void *argument)
{
	struct fixture *fixture = argument;

	fixture->text_size = fixture->entries = fixture->bare = 0;
	fixture->text[0] = '\0';
}

static int add_text(void *argument, const struct read_entry *entry)
{
	struct fixture *fixture = argument;
	const struct attributes *attributes = entry->attributes;

	if (fixture->entries == fixture->entries_max)
		return 1;
	fixture->entries++;
	fixture->bare += !attributes;
	fixture->text_size +=
		(size_t)snprintf(fixture->text + fixture->text_size, TEXT_SIZE - fixture->text_size,
			"%.*s:%llx:%o:%llx:%o:%u ", (int)entry->name.size, (const char *)entry->name.data,
			(unsigned long long)entry->ino, entry->type, (unsigned long long)entry->next_cookie,
			attributes ? attributes->mode : 0, attributes ? attributes->nlink : 0);
	check(fixture->text_size < TEXT_SIZE);
	return 0;
}

/* What one region with all files would answer. */
static char *list_whole(struct fixture *fixture)
{
	char *whole;

	begin_text(fixture);
	assert_int_equal(read_directory(view_of(fixture, 0), FS_ROOT_INO, 0, true, add_text, fixture), 0);
	whole = strdup(fixture->text);
	begin_text(fixture);
	return whole;
}

/* ---- Stores ---- */

static void refuse(struct rpc_request *request, int status, uint64_t leader)
{
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;

	reply.status = status;
	reply.leader_store = leader;
	rpc_answer(request, &reply.base, NULL, 0);
}

static void count_question(struct store *store, const struct question *question)
{
	store->asked[question->kind]++;
	if (question->kind == QUESTION_ATTRIBUTES_OF_MANY)
		store->inodes += (uint32_t)(question->inodes.size / 8);
}

static void answer_question(
	struct store *store, struct rpc_request *request, uint64_t region, const struct question *question)
{
	struct fixture *fixture = store->fixture;
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;
	struct buf *bytes, *data;

	count_question(store, question);
	if (fixture->before)
		fixture->before(fixture, question);
	reply.status =
		question_reply(question, NULL, view_of(fixture, (uint32_t)region), true, &bytes, &data);
	view_of(fixture, 0);
	reply.leader_store = region;
	if (bytes)
		reply.finding = (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
	rpc_answer(request, &reply.base, &data, data ? 1 : 0);
	buf_unref(bytes);
	buf_unref(data);
}

static bool has_region(const struct fixture *fixture, uint64_t region, const struct question *question)
{
	struct fs_key key = question_key(question);

	return region == (fixture->is_one ? 1 : region_of_key(fixture, fs_key_slice(&key)));
}

static int on_read(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__ReadRequest *message = raftkv__read_request__unpack(NULL, frame->head.size, frame->head.data);
	struct question question;

	assert_non_null(message);
	assert_in_range(message->region, 1, STORES);
	assert_int_equal(
		question_decode(slice_of(message->question.data, message->question.len), &question), 0);
	if (message->region != store->server.self.store) {
		refuse(request, STATUS_NOT_LEADER, message->region);
	} else if (message->epoch_version < fixture->epoch &&
		   !has_region(fixture, message->region, &question)) {
		refuse(request, STATUS_EPOCH_NOT_MATCH, 0);
	} else if (store->is_silent) {
		count_question(store, &question);
		check(fixture->held_count < HELD_MAX);
		fixture->held[fixture->held_count++] = request;
	} else {
		answer_question(store, request, message->region, &question);
	}
	raftkv__read_request__free_unpacked(message, NULL);
	return 0;
}

static int on_write(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	Raftkv__WriteReply reply = RAFTKV__WRITE_REPLY__INIT;
	const struct op_reply result = {.id = 1};
	struct buf *bytes;

	(void)frame;
	check(op_reply_encode(&result, &bytes) == 0);
	reply.status = store->server.self.store == 1 ? 0 : STATUS_NOT_LEADER;
	reply.leader_store = 1;
	reply.reply = (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
	rpc_answer(request, &reply.base, NULL, 0);
	buf_unref(bytes);
	return 0;
}

static int on_beat(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__BeatReply reply = RAFTKV__BEAT_REPLY__INIT;

	(void)argument, (void)frame;
	reply.expiry_ms = 3000;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

/* An answer's routes in the making. */
struct told {
	Raftkv__Route routes[STORES], *route_pointers[STORES];
	Raftkv__Epoch epoch;
	Raftkv__Replica replicas[STORES], *replica_pointers[STORES];
	Raftkv__StoreAddress stores[STORES], *store_pointers[STORES];
	Raftkv__RoutesReply reply;
};

static ProtobufCBinaryData binary(struct slice bytes)
{
	return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static void tell(struct told *told, const struct fixture *fixture, uint32_t region)
{
	Raftkv__Route *route = &told->routes[told->reply.n_routes];

	raftkv__route__init(route);
	route->region = route->leader_store = region;
	route->epoch = &told->epoch;
	route->start = binary(fs_key_slice(&fixture->starts[region - 1]));
	if (!fixture->is_one)
		route->end = binary(end_of(fixture, region));
	route->n_replicas = STORES;
	route->replicas = told->replica_pointers;
	told->route_pointers[told->reply.n_routes++] = route;
}

static int on_routes(void *argument, struct rpc_request *request, const struct frame *frame)
{
	static const char *const addresses[STORES] = {"a:1", "b:1", "c:1"};
	const struct fixture *fixture = ((struct store *)argument)->fixture;
	Raftkv__RoutesRequest *message =
		raftkv__routes_request__unpack(NULL, frame->head.size, frame->head.data);
	uint32_t first = region_of_key(fixture, slice_of(message->key.data, message->key.len));
	struct told told;

	raftkv__routes_reply__init(&told.reply);
	raftkv__epoch__init(&told.epoch);
	told.epoch.version = fixture->epoch;
	told.epoch.conf_version = 1;
	for (uint32_t i = 0; i < STORES; i++) {
		raftkv__replica__init(&told.replicas[i]);
		told.replicas[i].store = i + 1;
		told.replicas[i].roles = REGION_VOTER;
		told.replica_pointers[i] = &told.replicas[i];
		raftkv__store_address__init(&told.stores[i]);
		told.stores[i].store = i + 1;
		told.stores[i].address = (char *)(uintptr_t)addresses[i];
		told.store_pointers[i] = &told.stores[i];
	}
	if (fixture->is_one)
		first = 1;
	for (uint32_t region = first; region <= (fixture->tells_one || fixture->is_one ? first : STORES);
		region++)
		tell(&told, fixture, region);
	told.reply.routes = told.route_pointers;
	told.reply.n_stores = STORES;
	told.reply.stores = told.store_pointers;
	raftkv__routes_request__free_unpacked(message, NULL);
	rpc_answer(request, &told.reply.base, NULL, 0);
	return 0;
}

static void begin_store(struct fixture *fixture, uint32_t i)
{
	static const char *const names[STORES] = {"a", "b", "c"};
	struct store *store = &fixture->stores[i];
	struct sim_server *server = &store->server;

	store->fixture = fixture;
	sim_server_start(server, fixture->world, names[i], CLUSTER, i + 1);
	rpc_server_handle(server->rpc_server, FRAME_WRITE, on_write, store);
	rpc_server_handle(server->rpc_server, FRAME_READ, on_read, store);
	rpc_server_handle(server->rpc_server, FRAME_BEAT, on_beat, store);
	rpc_server_handle(server->rpc_server, FRAME_ROUTES, on_routes, store);
}

static uint32_t asked(const struct fixture *fixture, enum question_kind kind)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < STORES; i++)
		sum += fixture->stores[i].asked[kind];
	return sum;
}

/* ---- The mount ---- */

struct task_mail {
	struct env_mail mail;
	void (*run)(struct fixture *fixture);
	struct fixture *fixture;
	bool is_done;
};

static void on_mail(struct env_mail *mail)
{
	struct task_mail *task = (struct task_mail *)mail;

	task->run(task->fixture);
	task->is_done = true;
}

static bool is_set(void *argument)
{
	return *(bool *)argument;
}

static void run_on_loop(struct fixture *fixture, void (*run)(struct fixture *fixture))
{
	struct task_mail task = {.run = run, .fixture = fixture};

	env_post(fixture->loop, &task.mail, on_mail);
	check(sim_run(fixture->world, PATIENCE, is_set, &task.is_done));
}

static void on_started(void *argument, int status)
{
	check(status == 0);
	((struct fixture *)argument)->is_started = true;
}

static void start(struct fixture *fixture)
{
	remote_start(fixture->remote, on_started, fixture);
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static void stop(struct fixture *fixture)
{
	remote_stop(fixture->remote, on_stopped, fixture);
}

static void start_remote(struct fixture *fixture)
{
	fixture->options.env = sim_node_env(fixture->node);
	fixture->options.loops = &fixture->loop;
	fixture->options.loop_count = 1;
	fixture->options.seeds = &fixture->seeds;
	fixture->options.host = "mount";
	fixture->options.mount_point = "/mnt";
	check(remote_new(&fixture->options, &fixture->remote, NULL) == 0);
	run_on_loop(fixture, start);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_started));
}

static void stop_remote(struct fixture *fixture)
{
	run_on_loop(fixture, stop);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_stopped));
	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	remote_free(fixture->remote);
}

static void on_done(struct client_read *read, int error)
{
	struct fixture *fixture = container_of(read, struct fixture, read);

	fixture->is_done = true;
	fixture->done_count++;
	fixture->error = error;
}

static void begin_read(struct fixture *fixture)
{
	client_read(remote_client(fixture->remote), &fixture->read);
}

static void begin(struct fixture *fixture, const struct question *question)
{
	fixture->finding = (struct finding){
		.bytes = fixture->value, .begin = begin_text, .entry = add_text, .argument = fixture};
	fixture->read = (struct client_read){
		.loop = fixture->loop, .question = *question, .finding = &fixture->finding, .done = on_done};
	fixture->is_done = false;
	run_on_loop(fixture, begin_read);
}

static int await(struct fixture *fixture)
{
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_done));
	return fixture->error;
}

static void settle(struct fixture *fixture, uint64_t ms)
{
	sim_run(fixture->world, ms * SIM_MS, NULL, NULL);
}

static void try_to_give_up(struct fixture *fixture)
{
	fixture->has_given_up = client_give_up_read(&fixture->read);
}

static const struct question far_name = {.kind = QUESTION_LOOKUP, .ino = FS_ROOT_INO, .name = {"far0", 4}};
static const struct question listing = {
	.kind = QUESTION_DIRECTORY, .ino = FS_ROOT_INO, .size = 65536, .is_plus = true};

static int look_up(struct fixture *fixture, uint64_t parent, const char *name)
{
	const struct question question = {.kind = QUESTION_LOOKUP, .ino = parent, .name = text(name)};

	begin(fixture, &question);
	return await(fixture);
}

/* ---- Life ---- */

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	check(fixture != NULL);
	fixture->text = malloc(TEXT_SIZE);
	check(fixture->text != NULL);
	fixture->entries_max = UINT32_MAX;
	fixture->epoch = 1;
	make_files(fixture);
	begin_text(fixture);
	fixture->world = sim_world_new(11);
	for (uint32_t i = 0; i < STORES; i++)
		begin_store(fixture, i);
	fixture->node = sim_node_new(fixture->world, "mount");
	check(env_loop_new(sim_node_start(fixture->node), "lane", &fixture->loop) == 0);
	check(env_loop_start(fixture->loop) == 0);
	check(store_list_parse(&fixture->seeds, "b:1,c:1", NULL) == 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < STORES; i++)
		sim_node_kill(fixture->stores[i].server.node);
	sim_node_kill(fixture->node);
	sim_world_free(fixture->world);
	store_list_close(&fixture->seeds);
	view_of(fixture, 0);
	fs_harness_verify(&fixture->files);
	fs_harness_close(&fixture->files);
	free(fixture->text);
	free(fixture);
	return 0;
}

/* ---- What one region answers ---- */

static void a_name_of_another_region_is_told_to_who_asks_for_it(void **state)
{
	struct fixture *fixture = *state;
	struct question question = far_name;
	struct finding finding = {0};
	uint64_t far = (uint64_t)fs_lookup(&fixture->files, FS_ROOT_INO, "far0");

	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 1), true, &finding),
		STATUS_KEY_NOT_IN_REGION);
	assert_false(finding.is_elsewhere);
	question.takes_elsewhere = true;
	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 1), true, &finding), 0);
	assert_true(finding.is_elsewhere);
	assert_int_equal(finding.attributes.ino, far);
	assert_int_equal(finding.attributes.mode, S_IFREG);
	assert_int_equal(finding.attributes.nlink, 0);
	/* The directory itself is elsewhere: that is no answer. */
	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 2), true, &finding),
		STATUS_KEY_NOT_IN_REGION);
	question.name = text("near");
	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 1), true, &finding), 0);
	assert_false(finding.is_elsewhere);
	assert_int_equal(finding.attributes.nlink, 1);
	question = (struct question){.kind = QUESTION_LOOKUP,
		.ino = fixture->directories[0],
		.name = text(".."),
		.takes_elsewhere = true};
	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 2), true, &finding), 0);
	assert_true(finding.is_elsewhere);
	assert_int_equal(finding.attributes.ino, FS_ROOT_INO);
}

static void entries_of_other_regions_come_without_attributes(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_directory(view_of(fixture, 1), FS_ROOT_INO, 0, true, add_text, fixture), 0);
	assert_int_equal(fixture->entries, 3 + 2 * DIRECTORIES);
	assert_int_equal(fixture->bare, 1 + 2 * DIRECTORIES); /* and ".." */
}

static void a_tree_in_two_regions_is_not_added_up(void **state)
{
	struct fixture *fixture = *state;
	struct usage usage;

	assert_int_equal(usage_read(view_of(fixture, 1), FS_ROOT_INO, &usage), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(usage_read(view_of(fixture, 2), fixture->directories[0], &usage), 0);
	assert_int_equal(usage.files, 1);
}

/* ---- Usage ---- */

/* The runs of a walk from the root, each in the region of its last place. `places_max`: the most that there were. */
static void walk_tree(struct fixture *fixture, uint32_t entries_max, uint32_t news_max, struct usage *usage,
	uint32_t *places_max)
{
	const struct usage_place top = {.ino = FS_ROOT_INO};
	struct usage_walk walk = {0}, run = {.entries_max = entries_max, .news_max = news_max};
	struct ino_set linked = {0};

	assert_int_equal(usage_walk_add_place(&walk, &top), 0);
	*places_max = 0;
	while (walk.places.count > 0) {
		struct usage_place place = walk.places.all[--walk.places.count];
		struct fs_key key = fs_key_inode(place.ino);

		assert_int_equal(usage_walk_add_place(&run, &place), 0);
		assert_int_equal(
			usage_walk_run(&run, view_of(fixture, region_of_key(fixture, fs_key_slice(&key)))),
			0);
		assert_int_equal(usage_walk_join(&walk, &run), 0);
		assert_int_equal(usage_count_links(&walk, &linked), 0);
		if (walk.places.count > *places_max)
			*places_max = walk.places.count;
	}
	assert_int_equal(usage_finish(&walk, FS_ROOT_INO, usage), 0);
	usage_walk_close(&walk);
	usage_walk_close(&run);
	ino_set_close(&linked);
	view_of(fixture, 0);
}

/* A tree of three levels, `width` directories in each, and a file with data in each. */
static void make_wide_tree(struct fixture *fixture, uint32_t width)
{
	struct fs_harness *files = &fixture->files;
	uint64_t parent = 0;
	char name[16];

	for (uint32_t i = 0; i < width * width; i++) {
		int64_t made;

		snprintf(name, sizeof name, "w%u", i / width);
		if (i % width == 0)
			parent = (uint64_t)fs_make(files, FS_ROOT_INO, name, S_IFDIR | 0755);
		snprintf(name, sizeof name, "x%u", i);
		made = fs_make(files, parent, name, S_IFDIR | 0755);
		assert_true(is_ino(made));
		made = fs_make(files, (uint64_t)made, "file", S_IFREG | 0644);
		assert_true(is_ino(made));
		assert_int_equal(fs_harness_write(files, (uint64_t)made, 0, 0, name, strlen(name)), 0);
	}
}

static void runs_of_any_size_count_the_same(void **state)
{
	static const uint32_t limits[][2] = {
		{1, 1}, {1, 100}, {2, 1}, {3, 2}, {7, 100}, {100, 3}, {1000, 1000}};
	struct fixture *fixture = *state;
	struct usage whole, usage;
	uint32_t places;

	make_wide_tree(fixture, 16);
	assert_int_equal(usage_read(view_of(fixture, 0), FS_ROOT_INO, &whole), 0);
	assert_int_equal(whole.files, 1 + DIRECTORIES + 16 * 16);
	assert_int_equal(whole.directories, DIRECTORIES + 16 + 16 * 16);
	assert_true(whole.size > 16 * 16);
	assert_true(whole.ctime.seconds > 0);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		walk_tree(fixture, limits[i][0], limits[i][1], &usage, &places);
		assert_int_equal(usage.size, whole.size);
		assert_int_equal(usage.disk_size, whole.disk_size);
		assert_int_equal(usage.files, whole.files);
		assert_int_equal(usage.directories, whole.directories);
		assert_int_equal(usage.ctime.seconds, whole.ctime.seconds);
		if (limits[i][0] * limits[i][1] < 100)
			assert_in_range(places, 3, 3 * (limits[i][0] + 1));
	}
}

static void read_usage(struct fixture *fixture, uint64_t ino, const char *name, uint32_t size)
{
	const struct question question = {
		.kind = QUESTION_VIRTUAL_XATTR, .ino = ino, .name = text(name), .size = size};

	memset(fixture->value, 0, sizeof fixture->value);
	begin(fixture, &question);
}

/* What one region with all files would answer. */
static void expect_usage(struct fixture *fixture, uint64_t ino, const char *name)
{
	char value[sizeof fixture->value] = "";
	const struct question question = {
		.kind = QUESTION_VIRTUAL_XATTR, .ino = ino, .name = text(name), .size = sizeof value};
	struct finding finding = {.bytes = value};

	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 0), true, &finding), 0);
	read_usage(fixture, ino, name, sizeof value);
	assert_int_equal(await(fixture), 0);
	assert_string_equal(fixture->value, value);
	assert_int_equal(fixture->finding.count, finding.count);
}

static void a_tree_is_counted_over_the_regions(void **state)
{
	struct fixture *fixture = *state;
	uint64_t far = (uint64_t)fs_lookup(&fixture->files, FS_ROOT_INO, "far3");
	uint32_t count;

	start_remote(fixture);
	begin(fixture, &far_name); /* learns the routes */
	assert_int_equal(await(fixture), 0);
	expect_usage(fixture, FS_ROOT_INO, "raftkv.usage");
	assert_non_null(strstr(fixture->value, "files 7\ndirectories 6\n"));
	assert_int_equal(asked(fixture, QUESTION_VIRTUAL_XATTR), 0);
	assert_int_equal(asked(fixture, QUESTION_USAGE), STORES); /* one request for all places of a region */
	expect_usage(fixture, FS_ROOT_INO, "raftkv.dir.rbytes");
	expect_usage(fixture, FS_ROOT_INO, "raftkv.dir.rfiles");
	expect_usage(fixture, FS_ROOT_INO, "raftkv.dir.rsubdirs");
	expect_usage(fixture, FS_ROOT_INO, "raftkv.dir.rctime");
	expect_usage(fixture, fixture->directories[4], "raftkv.usage");
	expect_usage(fixture, far, "raftkv.usage");
	count = asked(fixture, QUESTION_USAGE);
	read_usage(fixture, far, "raftkv.dir.rfiles", 100);
	assert_int_equal(await(fixture), -ENODATA);
	assert_int_equal(asked(fixture, QUESTION_USAGE), count);
	read_usage(fixture, FS_ROOT_INO, "raftkv.usage", 5);
	assert_int_equal(await(fixture), -ERANGE);
	read_usage(fixture, FS_ROOT_INO, "raftkv.usage", 0);
	assert_int_equal(await(fixture), 0);
	assert_in_range(fixture->finding.count, 40, sizeof fixture->value);
	read_usage(fixture, fixture->directories[5] + (UINT64_C(1) << FS_SEQ_BITS), "raftkv.usage", 100);
	assert_int_equal(await(fixture), -ESTALE);
	stop_remote(fixture);
}

static void an_only_region_counts_a_tree_itself(void **state)
{
	struct fixture *fixture = *state;

	fixture->is_one = true;
	start_remote(fixture);
	expect_usage(fixture, FS_ROOT_INO, "raftkv.usage");
	expect_usage(fixture, FS_ROOT_INO, "raftkv.dir.rfiles");
	assert_int_equal(asked(fixture, QUESTION_VIRTUAL_XATTR), 2);
	assert_int_equal(asked(fixture, QUESTION_USAGE), 0);
	stop_remote(fixture);
}

static void split_all(struct fixture *fixture, const struct question *question)
{
	if (question->kind != QUESTION_VIRTUAL_XATTR)
		return;
	fixture->is_one = false;
	fixture->epoch = 2;
}

static void a_region_that_is_the_only_one_no_more_counts_its_part(void **state)
{
	struct fixture *fixture = *state;

	fixture->is_one = true;
	start_remote(fixture);
	begin(fixture, &far_name);
	assert_int_equal(await(fixture), 0);
	fixture->before = split_all;
	expect_usage(fixture, FS_ROOT_INO, "raftkv.usage");
	assert_int_equal(asked(fixture, QUESTION_VIRTUAL_XATTR), 1);
	assert_in_range(asked(fixture, QUESTION_USAGE), STORES, 2 * STORES);
	stop_remote(fixture);
}

/* Region 3 gets two directories of region 2, which was asked for them. */
static void split_second(struct fixture *fixture, const struct question *question)
{
	if (question->kind != QUESTION_USAGE || question->ino == FS_ROOT_INO || fixture->changes++ > 0)
		return;
	fixture->starts[2] = fs_key_dirid(fs_ino_dirid(fixture->directories[1]));
	fixture->epoch++;
}

static void a_split_in_mid_way_misses_and_doubles_nothing(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	begin(fixture, &far_name);
	assert_int_equal(await(fixture), 0);
	fixture->before = split_second;
	expect_usage(fixture, FS_ROOT_INO, "raftkv.usage");
	assert_true(fixture->changes > 1);
	stop_remote(fixture);
}

static void remove_a_directory(struct fixture *fixture, const struct question *question)
{
	struct fs_harness *files = &fixture->files;
	char name[16];

	if (question->kind != QUESTION_USAGE || question->ino == FS_ROOT_INO || fixture->changes++ > 0)
		return;
	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof name, "d%u", i);
		if (fs_lookup(files, FS_ROOT_INO, name) != (int64_t)fixture->directories[4])
			continue;
		assert_int_equal(fs_unlink(files, fixture->directories[4], "file", false), 0);
		assert_int_equal(fs_rmdir(files, FS_ROOT_INO, name), 0);
	}
}

static void a_directory_that_goes_meanwhile_is_passed_over(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	begin(fixture, &far_name);
	assert_int_equal(await(fixture), 0);
	fixture->before = remove_a_directory;
	read_usage(fixture, FS_ROOT_INO, "raftkv.usage", sizeof fixture->value);
	assert_int_equal(await(fixture), 0);
	assert_non_null(strstr(fixture->value, "directories 5\n"));
	stop_remote(fixture);
}

struct many {
	uint8_t inodes[8 * 8];
	size_t size;
	uint64_t found[8];
	uint32_t count;
};

static void add_inode(struct many *many, uint64_t ino)
{
	struct writer writer = writer_fixed(many->inodes + many->size, sizeof many->inodes - many->size);

	writer_u64le(&writer, ino);
	many->size += writer.size;
}

static void begin_inodes(void *argument)
{
	((struct many *)argument)->count = 0;
}

static void take_inode(void *argument, const struct attributes *attributes)
{
	struct many *many = argument;

	many->found[many->count++] = attributes->ino;
}

static void many_inodes_are_answered_up_to_the_end_of_the_region(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *directories = fixture->directories;
	struct many many = {0};
	struct finding finding = {.begin = begin_inodes, .inode = take_inode, .argument = &many};
	struct question question = {.kind = QUESTION_ATTRIBUTES_OF_MANY, .ino = directories[1]};
	struct buf *bytes, *data;

	add_inode(&many, directories[1]);
	add_inode(&many, directories[1] + 1000); /* there is none */
	add_inode(&many, directories[2]);
	add_inode(&many, directories[3]);
	add_inode(&many, directories[4]);
	question.inodes = slice_of(many.inodes, many.size);
	assert_int_equal(question_reply(&question, NULL, view_of(fixture, 2), true, &bytes, &data), 0);
	assert_int_equal(finding_take(&question, buf_slice(bytes), buf_slice(data), &finding), 0);
	assert_int_equal(many.count, 2);
	assert_int_equal(many.found[0], directories[1]);
	assert_int_equal(many.found[1], directories[2]);
	assert_int_equal(finding.found, directories[3]);
	data->size--;
	assert_int_equal(
		finding_take(&question, buf_slice(bytes), buf_slice(data), &finding), STATUS_MALFORMED);
	buf_unref(bytes);
	buf_unref(data);
	/* All of them, and none. */
	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 0), true, &finding), 0);
	assert_int_equal(many.count, 4);
	assert_int_equal(finding.found, 0);
	assert_int_equal(question_answer(&question, NULL, view_of(fixture, 1), true, &finding),
		STATUS_KEY_NOT_IN_REGION);
}

/* ---- Names ---- */

static void a_name_leads_to_another_region(void **state)
{
	struct fixture *fixture = *state;
	const struct attributes *found = &fixture->finding.attributes;

	start_remote(fixture);
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "far0"), 0);
	assert_int_equal(found->ino, fs_lookup(&fixture->files, FS_ROOT_INO, "far0"));
	assert_int_equal(found->nlink, 2);
	assert_int_equal(found->mode, S_IFREG | 0640);
	assert_false(fixture->finding.is_elsewhere);
	assert_int_equal(fixture->stores[0].asked[QUESTION_LOOKUP], 1);
	assert_int_equal(fixture->stores[1].asked[QUESTION_ATTRIBUTES], 1);
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "far5"), 0);
	assert_int_equal(found->ino, fs_lookup(&fixture->files, FS_ROOT_INO, "far5"));
	assert_int_equal(fixture->stores[2].asked[QUESTION_ATTRIBUTES], 1);
	assert_int_equal(look_up(fixture, fixture->directories[5], ".."), 0);
	assert_int_equal(found->ino, FS_ROOT_INO);
	assert_int_equal(found->mode, S_IFDIR | 0755);
	assert_int_equal(fixture->stores[0].asked[QUESTION_ATTRIBUTES], 1);
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "near"), 0);
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "none"), -ENOENT);
	assert_int_equal(asked(fixture, QUESTION_ATTRIBUTES), 3);
	assert_int_equal(asked(fixture, QUESTION_LOOKUP), 5);
	stop_remote(fixture);
}

/* Another file gets the name, before the other region is asked. The old one is gone (-ESTALE). */
static void replace_far(struct fixture *fixture, const struct question *question)
{
	struct fs_harness *files = &fixture->files;
	char name[16];

	if (question->kind != QUESTION_ATTRIBUTES || fixture->changes == 0)
		return;
	fixture->changes--;
	assert_int_equal(fs_unlink(files, FS_ROOT_INO, "far0", false), 0);
	fs_unlink(files, fixture->directories[0], "file", false);
	snprintf(name, sizeof name, "new%u", fixture->changes);
	assert_true(is_ino(fs_make(files, fixture->directories[0], name, S_IFREG | 0600)));
	assert_int_equal(fs_rename(files, fixture->directories[0], name, FS_ROOT_INO, "far0", 0), 0);
}

/* It keeps its inode, without a name. */
static void remove_far(struct fixture *fixture, const struct question *question)
{
	struct fs_harness *files = &fixture->files;

	if (question->kind != QUESTION_ATTRIBUTES || fixture->changes == 0)
		return;
	fixture->changes--;
	assert_int_equal(fs_unlink(files, FS_ROOT_INO, "far0", true), 0);
	assert_int_equal(fs_unlink(files, fixture->directories[0], "file", true), 0);
}

static void a_name_that_changes_meanwhile_is_looked_up_again(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	fixture->before = replace_far;
	fixture->changes = REMOTE_LOOKUPS_MAX - 1;
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "far0"), 0);
	assert_int_equal(fixture->finding.attributes.ino, fs_lookup(&fixture->files, FS_ROOT_INO, "far0"));
	assert_int_equal(fixture->finding.attributes.mode, S_IFREG | 0600);
	assert_int_equal(asked(fixture, QUESTION_LOOKUP), REMOTE_LOOKUPS_MAX);
	stop_remote(fixture);
}

static void a_name_that_goes_meanwhile_is_not_found(void **state)
{
	struct fixture *fixture = *state;
	uint64_t far = (uint64_t)fs_lookup(&fixture->files, FS_ROOT_INO, "far0");

	start_remote(fixture);
	fixture->before = remove_far;
	fixture->changes = 1;
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "far0"), -ENOENT);
	assert_int_equal(asked(fixture, QUESTION_LOOKUP), 2);
	stop_remote(fixture);
	assert_int_equal(fs_release(&fixture->files, far), 0);
}

static void a_name_that_never_stays_is_stale(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	fixture->before = replace_far;
	fixture->changes = 100;
	assert_int_equal(look_up(fixture, FS_ROOT_INO, "far0"), -ESTALE);
	assert_int_equal(asked(fixture, QUESTION_LOOKUP), REMOTE_LOOKUPS_MAX);
	assert_int_equal(asked(fixture, QUESTION_ATTRIBUTES), REMOTE_LOOKUPS_MAX);
	stop_remote(fixture);
}

/* ---- Listings ---- */

static void a_listing_asks_each_region_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t far = (uint64_t)fs_lookup(&fixture->files, FS_ROOT_INO, "far0");
	char *whole;

	assert_int_equal(fs_link(&fixture->files, far, FS_ROOT_INO, "too"), 0); /* asked for once */
	whole = list_whole(fixture);
	start_remote(fixture);
	begin(fixture, &listing);
	assert_int_equal(await(fixture), 0);
	assert_string_equal(fixture->text, whole);
	assert_int_equal(fixture->bare, 1); /* ".." */
	assert_int_equal(fixture->finding.attributes.ino, FS_ROOT_INO);
	assert_int_equal(asked(fixture, QUESTION_DIRECTORY), 1);
	assert_int_equal(fixture->stores[0].asked[QUESTION_ATTRIBUTES_OF_MANY], 0);
	assert_int_equal(fixture->stores[1].asked[QUESTION_ATTRIBUTES_OF_MANY], 1);
	assert_int_equal(fixture->stores[1].inodes, DIRECTORIES);
	assert_int_equal(fixture->stores[2].asked[QUESTION_ATTRIBUTES_OF_MANY], 1);
	assert_int_equal(fixture->stores[2].inodes, DIRECTORIES);
	/* A directory without such children, and a listing without attributes. */
	begin(fixture, &(struct question){.kind = QUESTION_DIRECTORY, .ino = FS_ROOT_INO, .size = 65536});
	assert_int_equal(await(fixture), 0);
	assert_int_equal(fixture->entries, 3 + 2 * DIRECTORIES + 1);
	begin(fixture, &(struct question){.kind = QUESTION_DIRECTORY,
			       .ino = fixture->directories[0],
			       .size = 65536,
			       .is_plus = true});
	assert_int_equal(await(fixture), 0);
	assert_int_equal(fixture->entries, 3);
	assert_int_equal(asked(fixture, QUESTION_ATTRIBUTES_OF_MANY), 2);
	stop_remote(fixture);
	free(whole);
}

static void a_listing_goes_on_behind_the_end_of_a_region(void **state)
{
	struct fixture *fixture = *state;
	char *whole = list_whole(fixture);

	fixture->tells_one = true; /* of the others the mount does not know that they are two */
	start_remote(fixture);
	begin(fixture, &listing);
	assert_int_equal(await(fixture), 0);
	assert_string_equal(fixture->text, whole);
	assert_int_equal(fixture->stores[1].inodes, 2 * DIRECTORIES);
	assert_int_equal(fixture->stores[2].inodes, DIRECTORIES);
	stop_remote(fixture);
	free(whole);
}

static void a_listing_asks_for_what_it_has_room_for(void **state)
{
	struct fixture *fixture = *state;
	uint32_t elsewhere;

	fixture->entries_max = 5;
	assert_int_equal(read_directory(view_of(fixture, 1), FS_ROOT_INO, 0, true, add_text, fixture), 0);
	elsewhere = fixture->bare - 1;
	assert_true(elsewhere > 0);
	start_remote(fixture);
	begin(fixture, &listing);
	assert_int_equal(await(fixture), 0);
	assert_int_equal(fixture->entries, 5);
	assert_int_equal(fixture->bare, 1);
	assert_int_equal(fixture->stores[1].inodes + fixture->stores[2].inodes, elsewhere);
	stop_remote(fixture);
}

static void a_large_listing_asks_in_pieces(void **state)
{
	enum { COUNT = QUESTION_INODES_MAX + 200 };
	struct fixture *fixture = *state;
	const struct question question = {
		.kind = QUESTION_DIRECTORY, .ino = FS_ROOT_INO, .size = QUESTION_SIZE_MAX, .is_plus = true};
	char *whole, name[16];

	for (uint32_t i = 0; i < COUNT; i++) {
		int64_t ino;

		snprintf(name, sizeof name, "f%u", i);
		ino = fs_make(&fixture->files, fixture->directories[4], name, S_IFREG | 0644);
		assert_int_equal(fs_link(&fixture->files, (uint64_t)ino, FS_ROOT_INO, name), 0);
	}
	whole = list_whole(fixture);
	start_remote(fixture);
	begin(fixture, &question);
	assert_int_equal(await(fixture), 0);
	assert_string_equal(fixture->text, whole);
	assert_int_equal(fixture->stores[2].asked[QUESTION_ATTRIBUTES_OF_MANY], 2);
	assert_int_equal(fixture->stores[2].inodes, COUNT + DIRECTORIES);
	stop_remote(fixture);
	free(whole);
}

static void a_silent_region_leaves_entries_without_attributes(void **state)
{
	struct fixture *fixture = *state;
	char *whole = list_whole(fixture);
	uint64_t begun;

	start_remote(fixture);
	begin(fixture, &listing); /* opens the links */
	assert_int_equal(await(fixture), 0);
	fixture->stores[2].is_silent = true;
	begun = sim_time(fixture->world);
	begin(fixture, &listing);
	assert_int_equal(await(fixture), 0);
	assert_in_range(sim_time(fixture->world) - begun, LISTING_PATIENCE_MS * (uint64_t)SIM_MS,
		(LISTING_PATIENCE_MS + 100) * (uint64_t)SIM_MS);
	assert_int_equal(fixture->entries, 3 + 2 * DIRECTORIES);
	assert_int_equal(fixture->bare, 1 + DIRECTORIES);
	assert_int_equal(fixture->finding.attributes.ino, FS_ROOT_INO);
	fixture->stores[2].is_silent = false;
	settle(fixture, 5000);
	begin(fixture, &listing);
	assert_int_equal(await(fixture), 0);
	assert_string_equal(fixture->text, whole);
	assert_int_equal(fixture->done_count, 3);
	stop_remote(fixture);
	free(whole);
}

static void remove_children(struct fixture *fixture, const struct question *question)
{
	struct fs_harness *files = &fixture->files;

	if (question->kind != QUESTION_ATTRIBUTES_OF_MANY || fixture->changes == 0)
		return;
	fixture->changes--;
	assert_int_equal(fs_unlink(files, FS_ROOT_INO, "far0", true), 0);
	assert_int_equal(fs_unlink(files, fixture->directories[0], "file", true), 0);
	assert_int_equal(fs_unlink(files, FS_ROOT_INO, "far1", false), 0);
	assert_int_equal(fs_unlink(files, fixture->directories[1], "file", false), 0);
}

static void a_child_that_goes_meanwhile_has_no_attributes(void **state)
{
	struct fixture *fixture = *state;
	uint64_t far = (uint64_t)fs_lookup(&fixture->files, FS_ROOT_INO, "far0");

	start_remote(fixture);
	fixture->before = remove_children;
	fixture->changes = 1;
	begin(fixture, &listing);
	assert_int_equal(await(fixture), 0);
	assert_int_equal(fixture->entries, 3 + 2 * DIRECTORIES);
	assert_int_equal(fixture->bare, 1 + 2);
	stop_remote(fixture);
	assert_int_equal(fs_release(&fixture->files, far), 0);
}

/* ---- Giving up ---- */

static void await_question(struct fixture *fixture, enum question_kind kind, uint32_t count)
{
	for (uint32_t i = 0; i < 10000 && asked(fixture, kind) < count; i++)
		settle(fixture, 1);
	assert_int_equal(asked(fixture, kind), count);
}

static void who_is_killed_gives_up_on_the_other_region(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	fixture->stores[0].is_silent = true;
	begin(fixture, &far_name);
	settle(fixture, CLIENT_PATIENCE_MS / 2);
	run_on_loop(fixture, try_to_give_up);
	assert_false(fixture->has_given_up);
	settle(fixture, CLIENT_PATIENCE_MS);
	fixture->stores[0].is_silent = false;
	fixture->stores[1].is_silent = true;
	await_question(fixture, QUESTION_ATTRIBUTES, 1);
	run_on_loop(fixture, try_to_give_up); /* both regions have been waited for */
	assert_true(fixture->has_given_up);
	assert_true(fixture->is_done);
	assert_int_equal(fixture->error, -EINTR);
	fixture->stores[1].is_silent = false;
	settle(fixture, 5000);
	assert_int_equal(fixture->done_count, 1);
	stop_remote(fixture);
}

static void who_is_killed_gives_up_a_listing(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	fixture->stores[0].is_silent = true;
	begin(fixture, &listing);
	settle(fixture, CLIENT_PATIENCE_MS);
	fixture->stores[0].is_silent = false;
	fixture->stores[1].is_silent = fixture->stores[2].is_silent = true;
	await_question(fixture, QUESTION_ATTRIBUTES_OF_MANY, 2);
	assert_false(fixture->is_done);
	run_on_loop(fixture, try_to_give_up);
	assert_true(fixture->has_given_up);
	assert_true(fixture->is_done);
	assert_int_equal(fixture->error, -EINTR);
	settle(fixture, 5000);
	assert_int_equal(fixture->done_count, 1);
	stop_remote(fixture);
}

static void who_is_killed_gives_up_a_tree(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	begin(fixture, &far_name);
	assert_int_equal(await(fixture), 0);
	fixture->stores[2].is_silent = true;
	read_usage(fixture, FS_ROOT_INO, "raftkv.usage", sizeof fixture->value);
	settle(fixture, 2 * CLIENT_PATIENCE_MS);
	assert_false(fixture->is_done);
	run_on_loop(fixture, try_to_give_up);
	assert_true(fixture->has_given_up);
	assert_true(fixture->is_done);
	assert_int_equal(fixture->error, -EINTR);
	settle(fixture, 5000);
	assert_int_equal(fixture->done_count, 2);
	stop_remote(fixture);
}

static void a_limit_is_for_both_regions(void **state)
{
	struct fixture *fixture = *state;
	uint64_t begun;

	fixture->options.timeo_ms = 8000;
	start_remote(fixture);
	fixture->stores[0].is_silent = true;
	begun = sim_time(fixture->world);
	begin(fixture, &far_name);
	settle(fixture, 3000);
	fixture->stores[0].is_silent = false;
	fixture->stores[1].is_silent = true;
	assert_int_equal(await(fixture), -ETIMEDOUT);
	assert_true(asked(fixture, QUESTION_ATTRIBUTES) > 0);
	assert_in_range(sim_time(fixture->world) - begun, 8000 * (uint64_t)SIM_MS, 8100 * (uint64_t)SIM_MS);
	stop_remote(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_of_another_region_is_told_to_who_asks_for_it),
		TEST(entries_of_other_regions_come_without_attributes),
		TEST(a_tree_in_two_regions_is_not_added_up),
		TEST(runs_of_any_size_count_the_same),
		TEST(a_tree_is_counted_over_the_regions),
		TEST(an_only_region_counts_a_tree_itself),
		TEST(a_region_that_is_the_only_one_no_more_counts_its_part),
		TEST(a_split_in_mid_way_misses_and_doubles_nothing),
		TEST(a_directory_that_goes_meanwhile_is_passed_over),
		TEST(many_inodes_are_answered_up_to_the_end_of_the_region),
		TEST(a_name_leads_to_another_region),
		TEST(a_name_that_changes_meanwhile_is_looked_up_again),
		TEST(a_name_that_goes_meanwhile_is_not_found),
		TEST(a_name_that_never_stays_is_stale),
		TEST(a_listing_asks_each_region_once),
		TEST(a_listing_goes_on_behind_the_end_of_a_region),
		TEST(a_listing_asks_for_what_it_has_room_for),
		TEST(a_large_listing_asks_in_pieces),
		TEST(a_silent_region_leaves_entries_without_attributes),
		TEST(a_child_that_goes_meanwhile_has_no_attributes),
		TEST(who_is_killed_gives_up_on_the_other_region),
		TEST(who_is_killed_gives_up_a_listing),
		TEST(who_is_killed_gives_up_a_tree),
		TEST(a_limit_is_for_both_regions),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
