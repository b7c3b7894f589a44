/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One row a fact, with how it is written and how it is read back. What only says again what another
 * row has (a seed in hexadecimal, the values of a condition beside its words) is not read.
 */
#include "lab_json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "condition.h"
#include "err.h"
#include "fields.h"
#include "value.h"

/* A kind of fact. @at: the lab plus the row's offset. */
struct kind {
	void (*write)(struct json *j, const char *key, const void *at);
	/* False: @value is not one. NULL: it is not read. */
	bool (*read)(struct fy_node *value, void *at);
};

static const char *const unit_names[CHOPPY_NUNITS] = {
	[CHOPPY_PACKETS] = "packets",
	[CHOPPY_BYTES] = "bytes",
	[CHOPPY_NANOSECONDS] = "ns",
	[CHOPPY_CONNECTIONS] = "connections",
};

static bool has(const struct choppy_condition *c, int field)
{
	return field_set(c, field);
}

static void string_json(struct json *j, const char *key, const void *at)
{
	json_text_or_null(j, key, at);
}

#define TEXT_KIND(name_, member_)                                                                  \
	static bool name_##_read(struct fy_node *value, void *at)                                  \
	{                                                                                          \
		return json_get_text(value, at, sizeof(((struct choppy_lab *)0)->member_));        \
	}                                                                                          \
	static const struct kind name_##_kind = { string_json, name_##_read }

TEXT_KIND(name, name);
TEXT_KIND(dev, dev);
TEXT_KIND(word, congestion);
TEXT_KIND(link, link);

static_assert(sizeof(((struct choppy_lab *)0)->congestion) ==
			      sizeof(((struct choppy_lab *)0)->foreign_qdisc) &&
		      sizeof(((struct choppy_lab *)0)->dev) ==
			      sizeof(((struct choppy_lab *)0)->host_dev),
	      "they are read as one kind");

static void bool_json(struct json *j, const char *key, const void *at)
{
	json_bool(j, key, *(const bool *)at);
}

static bool bool_read(struct fy_node *value, void *at)
{
	return json_get_bool(value, at);
}

static const struct kind bool_kind = { bool_json, bool_read };

static void count_json(struct json *j, const char *key, const void *at)
{
	json_u64(j, key, *(const uint32_t *)at);
}

static bool count_read(struct fy_node *value, void *at)
{
	uint64_t n;

	if (!json_get_u64(value, &n) || n > UINT32_MAX)
		return false;
	*(uint32_t *)at = (uint32_t)n;
	return true;
}

static const struct kind count_kind = { count_json, count_read };

static void pid_json(struct json *j, const char *key, const void *at)
{
	if (*(const pid_t *)at)
		json_i64(j, key, *(const pid_t *)at);
	else
		json_text_or_null(j, key, NULL); /* it has ended */
}

static bool pid_read(struct fy_node *value, void *at)
{
	uint64_t n = 0;

	if (!json_is_null(value) && (!json_get_u64(value, &n) || n > INT32_MAX))
		return false;
	*(pid_t *)at = (pid_t)n;
	return true;
}

static const struct kind pid_kind = { pid_json, pid_read };

static void addresses_json(struct json *j, const char *key, const char *gateway, const char *node)
{
	json_object(j, key);
	json_text_or_null(j, "node", node);
	json_text_or_null(j, "gateway", gateway);
	json_object_end(j);
}

static void addr4_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;

	addresses_json(j, key, lab->addr4[0], lab->addr4[1]);
}

static void addr6_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;

	addresses_json(j, key, lab->addr6[0], lab->addr6[1]);
}

static bool addr4_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;

	return json_get_text(json_member(value, "gateway"), lab->addr4[0], sizeof(lab->addr4[0])) &&
	       json_get_text(json_member(value, "node"), lab->addr4[1], sizeof(lab->addr4[1]));
}

static bool addr6_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;

	return json_get_text(json_member(value, "gateway"), lab->addr6[0], sizeof(lab->addr6[0])) &&
	       json_get_text(json_member(value, "node"), lab->addr6[1], sizeof(lab->addr6[1]));
}

static const struct kind addr4_kind = { addr4_json, addr4_read };
static const struct kind addr6_kind = { addr6_json, addr6_read };

static void ends_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;

	json_array(j, key);
	for (int i = 0; *lab->link && i < 2; i++)
		json_text(j, NULL, lab->ends[i]);
	json_array_end(j);
}

static bool ends_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;
	int n = fy_node_sequence_item_count(value);

	for (int i = 0; i < n && i < 2; i++)
		if (!json_get_text(fy_node_sequence_get_by_index(value, i), lab->ends[i],
				   sizeof(lab->ends[i])))
			return false;
	return n == 0 || n == 2;
}

static const struct kind ends_kind = { ends_json, ends_read };

/* One line a fault, one text of an array a line. */
static void faults_json(struct json *j, const char *key, const void *at)
{
	char *copy = strdup(at), *save = NULL;

	json_array(j, key);
	for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		json_text(j, NULL, line);
	json_array_end(j);
	free(copy);
}

static bool faults_read(struct fy_node *value, void *at)
{
	struct text t = text_begin(at, CHOPPY_FAULTS_MAX);
	struct fy_node *item;
	void *iter = NULL;

	while ((item = fy_node_sequence_iterate(value, &iter))) {
		const char *line = json_text_of(item);

		if (!line)
			return false;
		text_add(&t, "%s%s", t.len ? "\n" : "", line);
	}
	return fy_node_is_sequence(value) && t.len < CHOPPY_FAULTS_MAX;
}

static const struct kind faults_kind = { faults_json, faults_read };

/* Which of the names that @name has for 0, 1 and so on, up to @n. */
static bool choice_read(struct fy_node *value, const char *(*name)(int i), int n, int *ret)
{
	char text[32];

	if (!json_get_text(value, text, sizeof(text)))
		return false;
	for (*ret = 0; *ret < n; ++*ret)
		if (strcmp(name(*ret), text) == 0)
			return true;
	return false;
}

static const char *backend_of(int i)
{
	return choppy_backend_name((enum choppy_backend)i);
}

static const char *uplink_of(int i)
{
	return choppy_uplink_name((enum choppy_uplink)i);
}

static void backend_json(struct json *j, const char *key, const void *at)
{
	json_text(j, key, choppy_backend_name(*(const enum choppy_backend *)at));
}

static bool backend_read(struct fy_node *value, void *at)
{
	int i;

	if (!choice_read(value, backend_of, CHOPPY_NBACKENDS, &i))
		return false;
	*(enum choppy_backend *)at = (enum choppy_backend)i;
	return true;
}

static void uplink_json(struct json *j, const char *key, const void *at)
{
	json_text(j, key, choppy_uplink_name(*(const enum choppy_uplink *)at));
}

static bool uplink_read(struct fy_node *value, void *at)
{
	int i;

	if (!choice_read(value, uplink_of, CHOPPY_NUPLINKS, &i))
		return false;
	*(enum choppy_uplink *)at = (enum choppy_uplink)i;
	return true;
}

static const struct kind backend_kind = { backend_json, backend_read };
static const struct kind uplink_kind = { uplink_json, uplink_read };

static void publish_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;
	int i;

	json_array(j, key);
	for (i = 0; i < lab->npublish; i++) {
		json_object(j, NULL);
		json_u64(j, "host_port", lab->publish[i].host_port);
		json_u64(j, "node_port", lab->publish[i].node_port);
		json_object_end(j);
	}
	json_array_end(j);
}

static bool port_read(struct fy_node *value, uint16_t *ret)
{
	uint64_t n;

	if (!json_get_u64(value, &n) || n > UINT16_MAX)
		return false;
	*ret = (uint16_t)n;
	return true;
}

static bool publish_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;
	struct fy_node *item;
	void *iter = NULL;

	while ((item = fy_node_sequence_iterate(value, &iter))) {
		struct choppy_publish *p = &lab->publish[lab->npublish];

		if (lab->npublish == CHOPPY_MAX_PUBLISH ||
		    !port_read(json_member(item, "host_port"), &p->host_port) ||
		    !port_read(json_member(item, "node_port"), &p->node_port))
			return false;
		lab->npublish++;
	}
	return fy_node_is_sequence(value);
}

static const struct kind publish_kind = { publish_json, publish_read };

static void seed_json(struct json *j, const char *key, const void *at)
{
	json_u64(j, key, *(const uint64_t *)at);
}

static bool seed_read(struct fy_node *value, void *at)
{
	return json_get_u64(value, at);
}

/* Many JSON readers hold numbers as doubles, which cannot hold every seed. */
static void seed_hex_json(struct json *j, const char *key, const void *at)
{
	char hex[32];

	snprintf(hex, sizeof(hex), "0x%" PRIx64, *(const uint64_t *)at);
	json_text(j, key, hex);
}

static const struct kind seed_kind = { seed_json, seed_read };
static const struct kind seed_hex_kind = { seed_hex_json, NULL };

static void tc_json(struct json *j, const char *key, const void *at)
{
	const char(*tc)[CHOPPY_TC_TEXT_MAX] = at;
	int d;

	json_object(j, key);
	for (d = 0; d < CHOPPY_NDIRS; d++)
		json_text_or_null(j, dir_words[d], tc[d]);
	json_object_end(j);
}

static bool tc_read(struct fy_node *value, void *at)
{
	char(*tc)[CHOPPY_TC_TEXT_MAX] = at;
	bool ok = true;

	for (int d = 0; d < CHOPPY_NDIRS; d++)
		ok &= json_get_text(json_member(value, dir_words[d]), tc[d], sizeof(tc[d]));
	return ok;
}

static const struct kind tc_kind = { tc_json, tc_read };

/* -------------------------------------------------------------- conditions */

/* Whether the queue in force is the default one. */
static bool default_limit(const struct choppy_condition *c)
{
	return has(c, CHOPPY_RATE) && !has(c, CHOPPY_LIMIT);
}

static void number_json(struct json *j, const char *key, const void *value)
{
	json_u64(j, key, *(const uint64_t *)value);
}

static void flag_json(struct json *j, const char *key, const void *value)
{
	json_bool(j, key, true);
}

/* Each range as its two ends. */
static void list_json(struct json *j, const char *key, const void *value)
{
	const struct choppy_list *list = value;
	uint32_t i;

	json_array(j, key);
	for (i = 0; i < list->n; i++) {
		json_array(j, NULL);
		json_u64(j, NULL, list->range[i].first);
		json_u64(j, NULL, list->range[i].last);
		json_array_end(j);
	}
	json_array_end(j);
}

static void cycle_json(struct json *j, const char *key, const void *value)
{
	const struct choppy_cycle *c = value;

	json_object(j, key);
	json_u64(j, "period", c->period_ns);
	json_u64(j, "out", c->out_ns);
	json_object_end(j);
}

static void overhead_json(struct json *j, const char *key, const void *value)
{
	const struct choppy_overhead *o = value;

	json_object(j, key);
	json_i64(j, "added", o->bytes);
	json_u64(j, "least", o->least);
	json_object_end(j);
}

/* How a kind's value is told; NULL: as its text. @unit NULL: it has none, or the value's own. */
static const struct {
	void (*value)(struct json *j, const char *key, const void *value);
	const char *unit;
} kinds_json[CHOPPY_NKINDS] = {
	[CHOPPY_KIND_TIME] = { number_json, "ns" },
	[CHOPPY_KIND_PROBABILITY] = { number_json, "ppb" },
	[CHOPPY_KIND_RATE] = { number_json, "bps" },
	[CHOPPY_KIND_AMOUNT] = { number_json, NULL }, /* n is an amount's first member */
	[CHOPPY_KIND_SIZE] = { number_json, "bytes" },
	[CHOPPY_KIND_COUNT] = { number_json, NULL },
	[CHOPPY_KIND_MEAN] = { number_json, "ppm" },
	[CHOPPY_KIND_FLAG] = { flag_json, NULL },
	[CHOPPY_KIND_CHOICE] = { NULL, NULL },
	[CHOPPY_KIND_LIST] = { list_json, NULL },
	[CHOPPY_KIND_CYCLE] = { cycle_json, "ns" },
	[CHOPPY_KIND_OVERHEAD] = { overhead_json, "bytes" },
	[CHOPPY_KIND_DISTRIBUTION] = { NULL, NULL },
	[CHOPPY_KIND_TRACE] = { NULL, NULL },
};

/* The members of a value's object. */
static void value_json(struct json *j, enum choppy_kind kind, const void *value, const char *text)
{
	const char *unit = kinds_json[kind].unit;

	if (kinds_json[kind].value)
		kinds_json[kind].value(j, "value", value);
	else
		json_text(j, "value", text);
	if (kind == CHOPPY_KIND_AMOUNT)
		unit = unit_names[((const struct choppy_amount *)value)->unit];
	if (unit)
		json_text(j, "unit", unit);
	json_text(j, "text", text);
}

static void field_json(struct json *j, const struct choppy_field_row *row, const void *value,
		       bool is_default)
{
	char words[CHOPPY_VALUE_TEXT_MAX];

	choppy_value_print(words, sizeof(words), row, value);
	json_object(j, row->name);
	value_json(j, row->kind, value, words);
	if (is_default)
		json_bool(j, "default", true);
	json_object_end(j);
}

/* The fields of @c, each under its name; those that are not in @asked are there by default. */
static void fields_json(struct json *j, const char *key, const struct choppy_condition *c,
			uint64_t asked)
{
	const struct choppy_field_row *row = choppy_fields();
	int i;

	json_object(j, key);
	for (i = 0; i < CHOPPY_NFIELDS; i++)
		if (has(c, i))
			field_json(j, &row[i], (const char *)c + row[i].offset,
				   !(asked & CHOPPY_FIELD_BIT(i)));
	json_object_end(j);
}

/* All that is asked of both directions, as words to be read again: to be freed. */
static char *words_of(const struct choppy_lab *lab)
{
	size_t size = CHOPPY_CONDITION_TEXT_MAX;
	char *words = NULL, *part = malloc(size);
	FILE *f = open_memstream(&words, &(size_t){ 0 });

	for (int d = 0; f && part && d < CHOPPY_NDIRS; d++) {
		int n;

		choppy_condition_print(part, size, &lab->dir[d]);
		if (*part)
			fprintf(f, "%s %s ", dir_words[d], part);
		n = choppy_rules_print(NULL, 0, &lab->rules, d) + 1;
		part = (size_t)n > size ? realloc(part, (size_t)n) : part;
		size = (size_t)n > size ? (size_t)n : size;
		if (part && n > 1 && choppy_rules_print(part, size, &lab->rules, d))
			fprintf(f, "%s %s ", dir_words[d], part);
	}
	if (f)
		fclose(f);
	free(part);
	return words;
}

static void condition_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;
	const struct choppy_condition *dir = lab->dir;
	char *all = words_of(lab);
	struct choppy_condition in_force;
	char words[CHOPPY_CONDITION_TEXT_MAX];
	int d;

	json_object(j, key);
	choppy_condition_print_both(words, sizeof(words), dir);
	json_text(j, "text", words);
	json_text(j, "words", all ? all : "");
	free(all);
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		in_force = dir[d];
		if (default_limit(&dir[d])) {
			in_force.limit.n = CHOPPY_LIMIT_DEFAULT_PACKETS;
			in_force.limit.unit = CHOPPY_PACKETS;
			in_force.set |= CHOPPY_FIELD_BIT(CHOPPY_LIMIT);
		}
		fields_json(j, dir_words[d], &in_force, dir[d].set);
	}
	json_object_end(j);
}

static bool condition_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;
	struct choppy_change change;
	const char *text = json_text_of(json_member(value, "words"));
	const char **words = text ? malloc((strlen(text) / 2 + 1) * sizeof(*words)) : NULL;
	char *buf = text ? malloc(strlen(text) + 1) : NULL;
	int n = words && buf ? choppy_words_split(buf, words, text) : -1;
	bool ok = n >= 0 && condition_read_back(&change, n, words, NULL) == 0;

	if (ok) {
		memcpy(lab->dir, change.dir, sizeof(lab->dir));
		lab->rules = change.rules;
	}
	free(words);
	free(buf);
	return ok;
}

static void rule_json(struct json *j, const struct choppy_lab *lab, uint32_t i)
{
	const struct choppy_rule *rule = &lab->rules.rule[i];
	int d;

	json_object(j, NULL);
	json_text(j, "match", rule->match);
	if (rule->nth.n)
		list_json(j, "nth", &rule->nth);
	if (rule->first.n) {
		json_object(j, "first");
		json_u64(j, "value", rule->first.n);
		json_text(j, "unit", unit_names[rule->first.unit]);
		json_object_end(j);
	}
	fields_json(j, "condition", &rule->condition, rule->condition.set);
	json_object(j, "matched");
	for (d = 0; d < CHOPPY_NDIRS; d++)
		if (rule->dirs & CHOPPY_DIR_BIT(d))
			json_u64(j, dir_words[d], lab->matched[d][i]);
	json_object_end(j);
	json_object_end(j);
}

static void rules_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;
	uint32_t i;

	json_array(j, key);
	for (i = 0; i < lab->rules.n; i++)
		rule_json(j, lab, i);
	json_array_end(j);
}

/* The rules themselves are read with the condition, in the same order. */
static bool rules_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;
	bool ok = fy_node_sequence_item_count(value) == (int)lab->rules.n;

	for (uint32_t i = 0; ok && i < lab->rules.n; i++) {
		struct fy_node *matched =
			json_member(fy_node_sequence_get_by_index(value, (int)i), "matched");

		for (int d = 0; ok && d < CHOPPY_NDIRS; d++)
			if (lab->rules.rule[i].dirs & CHOPPY_DIR_BIT(d))
				ok = json_get_u64(json_member(matched, dir_words[d]),
						  &lab->matched[d][i]);
	}
	return ok;
}

static const struct kind rules_kind = { rules_json, rules_read };
static const struct kind condition_kind = { condition_json, condition_read };

/* ---------------------------------------------------------------- counters */

static const struct {
	const char *name;
	size_t offset;
} counter_rows[] = {
#define COUNTER(member)                                                                            \
	{                                                                                          \
#member, offsetof(struct choppy_counters, member)                                  \
	}
	COUNTER(packets),      COUNTER(bytes),		 COUNTER(judged),      COUNTER(judged_lost),
	COUNTER(delivered),    COUNTER(delivered_bytes), COUNTER(exempt),      COUNTER(waiting),
	COUNTER(duplicated),   COUNTER(corrupted),	 COUNTER(reordered),   COUNTER(marked),
	COUNTER(replies),      COUNTER(fragments),	 COUNTER(frames_in),   COUNTER(frames_out),
	COUNTER(late_samples), COUNTER(late_p50_ns),	 COUNTER(late_p99_ns), COUNTER(late_max_ns),
	COUNTER(memory_bytes),
#undef COUNTER
};

static_assert(sizeof(counter_rows) / sizeof(counter_rows[0]) + CHOPPY_NDROPS ==
		      sizeof(struct choppy_counters) / sizeof(uint64_t),
	      "every counter is told");

/* The measured loss and its interval, as ppb: the unit of the asked one. */
static void measured_json(struct json *j, const struct choppy_counters *n)
{
	double range[2];

	if (!n->judged)
		return;
	choppy_interval(n->judged_lost, n->judged, range);
	json_object(j, "measured_loss");
	json_u64(j, "value", (uint64_t)(1e9 * (double)n->judged_lost / (double)n->judged + 0.5));
	json_array(j, "interval95");
	json_u64(j, NULL, (uint64_t)(1e9 * range[0] + 0.5));
	json_u64(j, NULL, (uint64_t)(1e9 * range[1] + 0.5));
	json_array_end(j);
	json_text(j, "unit", "ppb");
	json_object_end(j);
}

static void counter_json(struct json *j, const char *key, uint64_t n)
{
	if (n == CHOPPY_UNKNOWN)
		json_text_or_null(j, key, NULL);
	else
		json_u64(j, key, n);
}

static void counters_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_counters *n = at;
	size_t i;
	int d, k;

	json_object(j, key);
	for (d = 0; d < CHOPPY_NDIRS; d++, n++) {
		json_object(j, dir_words[d]);
		for (i = 0; i < sizeof(counter_rows) / sizeof(counter_rows[0]); i++)
			counter_json(j, counter_rows[i].name,
				     *(const uint64_t *)((const char *)n + counter_rows[i].offset));
		json_object(j, "dropped");
		for (k = 0; k < CHOPPY_NDROPS; k++)
			json_u64(j, choppy_drop_name((enum choppy_drop)k), n->dropped[k]);
		json_object_end(j);
		measured_json(j, n);
		json_object_end(j);
	}
	json_object_end(j);
}

static bool counter_read(struct fy_node *value, uint64_t *ret)
{
	*ret = CHOPPY_UNKNOWN;
	return json_is_null(value) || json_get_u64(value, ret);
}

static bool counters_read(struct fy_node *value, void *at)
{
	struct choppy_counters *n = at;
	bool ok = true;

	for (int d = 0; d < CHOPPY_NDIRS; d++, n++) {
		struct fy_node *one = json_member(value, dir_words[d]);
		struct fy_node *dropped = json_member(one, "dropped");

		for (size_t i = 0; i < sizeof(counter_rows) / sizeof(counter_rows[0]); i++)
			ok &= counter_read(
				json_member(one, counter_rows[i].name),
				(uint64_t *)(void *)((char *)n + counter_rows[i].offset));
		for (int k = 0; k < CHOPPY_NDROPS; k++)
			ok &= json_get_u64(
				json_member(dropped, choppy_drop_name((enum choppy_drop)k)),
				&n->dropped[k]);
	}
	return ok;
}

static const struct kind counters_kind = { counters_json, counters_read };

static void notes_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;
	int i;

	json_array(j, key);
	for (i = 0; i < lab->nnotes; i++)
		json_text(j, NULL, lab->notes[i]);
	json_array_end(j);
}

static bool notes_read(struct fy_node *value, void *at)
{
	struct choppy_lab *lab = at;
	int n = fy_node_sequence_item_count(value);

	if (n < 0 || n > CHOPPY_NOTES_MAX)
		return false;
	for (lab->nnotes = 0; lab->nnotes < n; lab->nnotes++)
		if (!json_get_text(fy_node_sequence_get_by_index(value, lab->nnotes),
				   lab->notes[lab->nnotes], CHOPPY_NOTE_MAX))
			return false;
	return true;
}

static const struct kind notes_kind = { notes_json, notes_read };

/* --------------------------------------------------------------- the table */

#define AT(member) offsetof(struct choppy_lab, member)

static const struct row {
	const char *key;
	const struct kind *kind;
	size_t offset; /* 0 where the kind takes the whole lab */
} rows[] = {
	{ "name", &name_kind, AT(name) },
	{ "permanent", &bool_kind, AT(permanent) },
	{ "nodes", &count_kind, AT(nodes) },
	{ "links", &count_kind, AT(links) },
	{ "link", &link_kind, AT(link) },
	{ "ends", &ends_kind, 0 },
	{ "ipv4", &addr4_kind, 0 },
	{ "ipv6", &addr6_kind, 0 },
	{ "device", &dev_kind, AT(dev) },
	{ "host_device", &dev_kind, AT(host_dev) },
	{ "own_gateway", &bool_kind, AT(own_gateway) },
	{ "rootless", &bool_kind, AT(rootless) },
	{ "map_root", &bool_kind, AT(map_root) },
	{ "uplink", &uplink_kind, AT(uplink) },
	{ "publish", &publish_kind, 0 },
	{ "backend", &backend_kind, AT(backend) },
	{ "seed", &seed_kind, AT(seed) },
	{ "seed_hex", &seed_hex_kind, AT(seed) },
	{ "seeded", &bool_kind, AT(seeded) },
	{ "congestion_control", &word_kind, AT(congestion) },
	{ "keeper", &pid_kind, AT(keeper) },
	{ "init", &pid_kind, AT(init) },
	{ "condition", &condition_kind, 0 },
	{ "rules", &rules_kind, 0 },
	{ "faults", &faults_kind, AT(faults) },
	{ "tc", &tc_kind, AT(tc) },
	{ "foreign_qdisc", &word_kind, AT(foreign_qdisc) },
	{ "counters", &counters_kind, AT(counters) },
	{ "notes", &notes_kind, 0 },
	{ "notes_now", &count_kind, AT(nnotes_now) },
};

void lab_json_write(struct json *j, const char *key, const struct choppy_lab *lab)
{
	json_object(j, key);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rows[i].kind->write(j, rows[i].key, (const char *)lab + rows[i].offset);
	json_object_end(j);
}

int lab_json_read(struct choppy_lab *ret, struct fy_node *from, struct choppy_err *err)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fy_node *value = json_member(from, rows[i].key);

		if (rows[i].kind->read &&
		    (!value || !rows[i].kind->read(value, (char *)ret + rows[i].offset)))
			return err_set(err, -EPROTO, "'%s' of the lab is not what it should be",
				       rows[i].key);
	}
	return 0;
}
