#include "tests/lib/things_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "store/blocks/blocks.h"

#define OBJECT_SECTORS (OBJECT_UNITS * THING_SECTORS_PER_UNIT)

void violation(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("violation: ", stdout);
	vprintf(format, arguments);
	fputc('\n', stdout);
	va_end(arguments);
	fflush(stdout);
	_exit(1);
}

void things_model_init(struct things_model *model, uint32_t thing_count)
{
	*model = (struct things_model){.thing_count = thing_count, .operation_count = 1};
	for (uint32_t i = 0; i < thing_count; i++) {
		struct writer name = writer_fixed(model->things[i].name, sizeof model->things[i].name);

		writer_u32be(&name, UINT32_MAX / thing_count * i);
		writer_u32be(&name, i);
	}
}

struct slice things_model_name(const struct things_model *model, uint32_t thing)
{
	return slice_of(model->things[thing].name, sizeof model->things[thing].name);
}

struct model_operation *things_model_ask(
	struct things_model *model, uint32_t thing, const struct thing_operation *operation)
{
	struct model_operation *asked;

	if (model->operation_count >= model->capacity) {
		model->capacity = model->capacity ? 2 * model->capacity : 256;
		model->operations = realloc(model->operations, model->capacity * sizeof *model->operations);
		check(model->operations);
	}
	asked = &model->operations[model->operation_count];
	*asked = (struct model_operation){
		.operation = *operation, .thing = thing, .certain = model->things[thing].certain};
	asked->operation.id = model->operation_count++;
	asked->operation.name = things_model_name(model, thing);
	model->things[thing].asked++;
	check(model->things[thing].asked < HISTORY_MAX);
	return asked;
}

struct model_operation *things_model_find(struct things_model *model, uint64_t id)
{
	return id > 0 && id < model->operation_count ? &model->operations[id] : NULL;
}

static void mix(struct things_model *model, uint64_t value)
{
	model->trace = (model->trace ^ value) * 0x9e3779b97f4a7c15u;
	model->trace ^= model->trace >> 29;
}

/* ---- The history ---- */

/* An answer shows operation `id` at `place`. */
static void learn(struct things_model *model, uint32_t number, uint64_t place, uint64_t id)
{
	struct model_thing *thing = &model->things[number];
	struct model_operation *operation = things_model_find(model, id);
	uint64_t known;

	if (place > thing->asked)
		violation("thing %u: a history of %lu after %lu requests", number, place, thing->asked);
	known = thing->history[place - 1];
	if (known != 0 && known != id)
		violation("thing %u: place %lu was operation %lu and is %lu", number, place, known, id);
	if (!operation || operation->thing != number)
		violation("thing %u: place %lu has %lu, which nobody asked for", number, place, id);
	if (operation->place != 0 && operation->place != place)
		violation("thing %u: operation %lu is at places %lu and %lu", number, id, operation->place,
			place);
	if (operation->outcome == OUTCOME_NEVER)
		violation("thing %u: operation %lu was refused and is at place %lu", number, id, place);
	if (place <= operation->certain)
		violation("thing %u: operation %lu is at place %lu; a history of %lu was certain before it",
			number, id, place, operation->certain);
	operation->place = place;
	thing->history[place - 1] = id;
}

/* An answer shows a history of `length`, to somebody for whom `certain` was certain. */
static void see_length(struct things_model *model, uint32_t number, uint64_t certain, uint64_t length)
{
	struct model_thing *thing = &model->things[number];

	mix(model, (uint64_t)number << 32 | length);
	if (length < certain)
		violation("thing %u: a history of %lu is shown, %lu was certain before", number, length,
			certain);
	if (length > thing->asked)
		violation("thing %u: a history of %lu after %lu requests", number, length, thing->asked);
	if (length > thing->certain)
		thing->certain = length;
}

static void learn_history(struct things_model *model, uint32_t number, uint64_t certain, struct slice bytes)
{
	struct reader reader = reader_of(bytes);

	see_length(model, number, certain, bytes.size / 8);
	for (uint64_t place = 1; reader_has_more(&reader); place++)
		learn(model, number, place, reader_u64le(&reader));
	if (reader_finish(&reader) < 0)
		violation("thing %u: a history of %zu bytes", number, bytes.size);
	/* What was acknowledged and should be in what was shown, is. */
	for (uint64_t id = 1; id < model->operation_count; id++) {
		const struct model_operation *operation = &model->operations[id];

		if (operation->thing == number && operation->outcome == OUTCOME_DONE && operation->place == 0)
			violation("thing %u: operation %lu was acknowledged without a place", number, id);
	}
}

void things_model_done(struct things_model *model, uint64_t id, const struct thing_reply *reply)
{
	struct model_operation *operation = things_model_find(model, id);

	model->acknowledged++;
	if (operation->outcome != OUTCOME_OPEN)
		violation("operation %lu is answered twice", id);
	if (operation->operation.kind == THING_GET) {
		learn_history(model, operation->thing, operation->certain, reply->history);
		things_model_never(model, id);
		return;
	}
	see_length(model, operation->thing, operation->certain, reply->length);
	if (!reply->is_done) {
		if (operation->operation.kind == THING_COMPARE &&
			reply->length == operation->operation.expected)
			violation("operation %lu compared equal and was refused", id);
		things_model_never(model, id);
		return;
	}
	if (operation->operation.kind == THING_COMPARE && reply->length != operation->operation.expected + 1)
		violation("operation %lu compared unequal and was done", id);
	learn(model, operation->thing, reply->length, id);
	operation->outcome = OUTCOME_DONE;
}

void things_model_never(struct things_model *model, uint64_t id)
{
	struct model_operation *operation = things_model_find(model, id);

	mix(model, id);
	operation->outcome = OUTCOME_NEVER;
	if (operation->place != 0)
		violation("thing %u: operation %lu is at place %lu and was refused", operation->thing, id,
			operation->place);
}

/* ---- What a history amounts to ---- */

struct chunk {
	uint64_t id;
	uint32_t size; /* bytes */
};

struct state {
	uint32_t chunk_count[THING_PARTS];
	struct chunk chunks[THING_PARTS][THING_PART_SIZE_MAX / THING_APPEND_SIZE + 1];
	uint64_t sectors[OBJECT_SECTORS]; /* the id that wrote it; 0: a hole */
};

static void set_sectors(struct state *state, uint64_t first, uint64_t count, uint64_t id)
{
	check(first + count <= OBJECT_SECTORS);
	for (uint64_t i = first; i < first + count; i++)
		state->sectors[i] = id;
}

static void perform(struct state *state, const struct thing_operation *operation)
{
	uint64_t first = operation->first;

	switch (operation->kind) {
	case THING_PUT:
	case THING_COMPARE:
		state->chunk_count[first] = 0;
		__attribute__((fallthrough));
	case THING_APPEND:
		state->chunks[first][state->chunk_count[first]++] = (struct chunk){operation->id,
			operation->kind == THING_APPEND ? THING_APPEND_SIZE : operation->count};
		break;
	case THING_DELETE:
		state->chunk_count[first] = 0;
		break;
	case THING_DELETE_RANGE:
		for (uint64_t i = first; i < first + operation->count; i++)
			state->chunk_count[i] = 0;
		break;
	case THING_WRITE:
	case THING_UNMAP:
		set_sectors(state, first * THING_SECTORS_PER_UNIT,
			(uint64_t)operation->count * THING_SECTORS_PER_UNIT,
			operation->kind == THING_WRITE ? operation->id : 0);
		break;
	case THING_PATCH:
		set_sectors(state, first, 1, operation->id);
		break;
	default:
		check(!"a change");
	}
}

static int read_part(
	const struct state *state, uint32_t number, uint32_t part, struct slice name, struct view *view)
{
	uint8_t expected[THING_PART_SIZE_MAX];
	struct kv_value value;
	struct thing_key key;
	size_t size = 0;
	int status = view_get(view, KEY_DATA, thing_key_part(&key, name, part), &value);

	for (uint32_t i = 0; i < state->chunk_count[part]; i++) {
		const struct chunk *chunk = &state->chunks[part][i];

		thing_pattern(chunk->id, 0, expected + size, chunk->size);
		size += chunk->size;
	}
	if (status == STATUS_NOT_FOUND && size == 0)
		return 0;
	if (status == STATUS_NOT_FOUND)
		violation("thing %u: part %u is not there", number, part);
	if (status == 0 && (value.data.size != size || memcmp(value.data.data, expected, size) != 0))
		violation("thing %u: part %u is not what its history makes of it", number, part);
	kv_value_close(&value);
	return status;
}

static void compare_sectors(
	const struct state *state, uint32_t number, uint64_t unit, uint32_t count, const uint8_t *bytes)
{
	uint8_t expected[THING_SECTOR_SIZE];
	uint64_t first = unit * THING_SECTORS_PER_UNIT;

	for (uint64_t i = first; i < first + (uint64_t)count * THING_SECTORS_PER_UNIT; i++) {
		if (state->sectors[i] == 0)
			memset(expected, 0, sizeof expected);
		else
			thing_pattern(state->sectors[i], i * THING_SECTOR_SIZE, expected, sizeof expected);
		if (memcmp(bytes + (i - first) * THING_SECTOR_SIZE, expected, sizeof expected) != 0)
			violation("thing %u: sector %lu is not what operation %lu wrote", number, i,
				state->sectors[i]);
	}
}

static int read_object(const struct state *state, uint32_t number, struct slice name, struct view *view)
{
	static const uint32_t runs[] = {16, 1, 47, OBJECT_UNITS - 64};
	uint8_t *bytes = malloc((size_t)OBJECT_UNITS * BLOCK_UNIT_SIZE);
	struct thing_key key;
	uint64_t unit = 0, mapped, expected = 0;
	int status = 0;

	check(bytes);
	for (size_t i = 0; i < sizeof runs / sizeof runs[0] && status == 0; unit += runs[i++]) {
		status = view_read(view, thing_key_object(&key, name), unit, runs[i], bytes);
		if (status == 0)
			compare_sectors(state, number, unit, runs[i], bytes);
	}
	free(bytes);
	if (status == 0)
		status = view_mapped(view, thing_key_object(&key, name), 0, OBJECT_UNITS, &mapped);
	for (unit = 0; unit < OBJECT_UNITS; unit++) {
		const uint64_t *sectors = &state->sectors[unit * THING_SECTORS_PER_UNIT];
		bool is_mapped = false;

		for (unsigned i = 0; i < THING_SECTORS_PER_UNIT; i++)
			is_mapped = is_mapped || sectors[i] != 0;
		expected += is_mapped;
	}
	if (status == 0 && mapped != expected)
		violation("thing %u: %lu units are mapped instead of %lu", number, mapped, expected);
	return status;
}

int things_model_read(struct things_model *model, uint32_t number, uint64_t certain, struct view *view)
{
	struct slice name = things_model_name(model, number);
	struct kv_value history;
	struct thing_key key;
	struct state *state;
	int status = view_get(view, KEY_DATA, thing_key_history(&key, name), &history);

	if (status == STATUS_NOT_FOUND)
		status = 0;
	if (status < 0)
		return status;
	learn_history(model, number, certain, history.data);
	state = calloc(1, sizeof *state);
	check(state);
	for (uint64_t i = 0; i < history.data.size / 8; i++)
		perform(state, &things_model_find(model, model->things[number].history[i])->operation);
	kv_value_close(&history);
	for (uint32_t part = 0; part < THING_PARTS && status == 0; part++)
		status = read_part(state, number, part, name, view);
	if (status == 0)
		status = read_object(state, number, name, view);
	free(state);
	model->reads += status == 0;
	return status;
}
