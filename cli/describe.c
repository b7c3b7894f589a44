/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab's state. One row a fact, with how to say it to people and how to
 * programs; a row without a label is for programs only.
 */
#include "describe.h"
#include "out.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 12

static const char *const dir_names[CHOPPY_NDIRS] = {
	[CHOPPY_UP] = "up",
	[CHOPPY_DOWN] = "down",
};

static const char *const unit_names[CHOPPY_NUNITS] = {
	[CHOPPY_PACKETS] = "packets",
	[CHOPPY_BYTES] = "bytes",
	[CHOPPY_NANOSECONDS] = "ns",
	[CHOPPY_CONNECTIONS] = "connections",
};

static const char *const uplink_means[CHOPPY_NUPLINKS] = {
	[CHOPPY_UPLINK_NAT] = "end-to-end TCP",
	[CHOPPY_UPLINK_RELAY] = "split TCP, between two kernels",
	[CHOPPY_UPLINK_NONE] = "nothing beyond the gateway",
};

static bool has(const struct choppy_condition *c, int field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

/* --------------------------------------------------------- kinds of values */

/* How a kind of fact is said. @at: the lab plus the row's offset. */
struct kind {
	void (*text)(FILE *f, const struct choppy_lab *lab, const void *at);
	void (*json)(struct json *j, const char *key, const void *at);
};

static void string_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	fputs(at, f);
}

static void string_json(struct json *j, const char *key, const void *at)
{
	json_text_or_null(j, key, at);
}

static const struct kind string_kind = { string_text, string_json };

static void bool_json(struct json *j, const char *key, const void *at)
{
	json_bool(j, key, *(const bool *)at);
}

static const struct kind bool_kind = { NULL, bool_json };

static void permanent_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (lab->nodes)
		fprintf(f, "choppy up; stays until 'choppy down %s'", lab->name);
	else if (lab->permanent)
		fprintf(f, "choppy add; stays until 'choppy del %s'", lab->name);
	else
		fprintf(f, "choppy run; ends with its program");
}

static const struct kind permanent_kind = { permanent_text, bool_json };

/* Of a lab out of a file. */
static void nodes_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (lab->nodes)
		fprintf(f, "%" PRIu32 ", joined by %" PRIu32 " link%s", lab->nodes, lab->links,
			lab->links == 1 ? "" : "s");
}

static void count_json(struct json *j, const char *key, const void *at)
{
	json_u64(j, key, *(const uint32_t *)at);
}

static const struct kind nodes_kind = { nodes_text, count_json };
static const struct kind count_kind = { NULL, count_json };

static void pid_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*(const pid_t *)at)
		fprintf(f, "%d", (int)*(const pid_t *)at);
}

static void pid_json(struct json *j, const char *key, const void *at)
{
	if (*(const pid_t *)at)
		json_i64(j, key, *(const pid_t *)at);
	else
		json_text_or_null(j, key, NULL); /* it has ended */
}

static const struct kind pid_kind = { pid_text, pid_json };

/* A pair of addresses, [0] the gateway's. */
static void addresses_text(FILE *f, const char *gateway, const char *node)
{
	if (*node)
		fprintf(f, "%s (node), %s (gateway)", node, gateway);
}

static void addresses_json(struct json *j, const char *key, const char *gateway, const char *node)
{
	json_object(j, key);
	json_text_or_null(j, "node", node);
	json_text_or_null(j, "gateway", gateway);
	json_object_end(j);
}

static void addr4_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	addresses_text(f, lab->addr4[0], lab->addr4[1]);
}

static void addr4_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;

	addresses_json(j, key, lab->addr4[0], lab->addr4[1]);
}

static const struct kind addr4_kind = { addr4_text, addr4_json };

static void addr6_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	addresses_text(f, lab->addr6[0], lab->addr6[1]);
}

static void addr6_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;

	addresses_json(j, key, lab->addr6[0], lab->addr6[1]);
}

static const struct kind addr6_kind = { addr6_text, addr6_json };

static void device_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*lab->dev)
		fprintf(f, "%s in the node", lab->dev);
	if (*lab->host_dev)
		fprintf(f, ", %s %s", lab->host_dev,
			lab->own_gateway ? "in the gateway's namespace" : "on the host");
}

static const struct kind device_kind = { device_text, string_json };

static void backend_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	static const char *const means[CHOPPY_NBACKENDS] = {
		[CHOPPY_ENGINE] = "judges wire packets, the same everywhere",
		[CHOPPY_NETEM] = "the kernel's qdisc at each end, by --backend netem",
	};

	fprintf(f, "%s: %s", choppy_backend_name(lab->backend), means[lab->backend]);
}

static void backend_json(struct json *j, const char *key, const void *at)
{
	json_text(j, key, choppy_backend_name(*(const enum choppy_backend *)at));
}

static const struct kind backend_kind = { backend_text, backend_json };

static void uplink_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	fprintf(f, "%s: %s; the host reaches %s", choppy_uplink_name(lab->uplink),
		uplink_means[lab->uplink],
		lab->own_gateway ? "published ports"
				 : "the node by address; published ports: split TCP");
}

static void uplink_json(struct json *j, const char *key, const void *at)
{
	json_text(j, key, choppy_uplink_name(*(const enum choppy_uplink *)at));
}

static const struct kind uplink_kind = { uplink_text, uplink_json };

static void publish_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	int i;

	for (i = 0; i < lab->npublish; i++)
		fprintf(f, "%s%u on the host to %u in the node", i ? ", " : "",
			lab->publish[i].host_port, lab->publish[i].node_port);
}

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

static const struct kind publish_kind = { publish_text, publish_json };

static void seed_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	fprintf(f, "%" PRIu64 "%s", lab->seed,
		lab->seeded ? ""
			    : "; netem of this kernel takes none (Linux 6.6): what comes cannot be "
			      "repeated");
}

static void seed_json(struct json *j, const char *key, const void *at)
{
	json_u64(j, key, *(const uint64_t *)at);
}

static const struct kind seed_kind = { seed_text, seed_json };

/* Many JSON readers hold numbers as doubles, which cannot hold every seed. */
static void seed_hex_json(struct json *j, const char *key, const void *at)
{
	char hex[32];

	snprintf(hex, sizeof(hex), "0x%" PRIx64, *(const uint64_t *)at);
	json_text(j, key, hex);
}

static const struct kind seed_hex_kind = { NULL, seed_hex_json };

static void tc_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	int d;

	for (d = 0; d < CHOPPY_NDIRS; d++)
		if (*lab->tc[d])
			fprintf(f, "%s%*s%s: %s", d ? "\n" : "", d ? LABEL_WIDTH + 2 : 0, "",
				dir_names[d], lab->tc[d]);
}

static void tc_json(struct json *j, const char *key, const void *at)
{
	const char(*tc)[CHOPPY_TC_TEXT_MAX] = at;
	int d;

	json_object(j, key);
	for (d = 0; d < CHOPPY_NDIRS; d++)
		json_text_or_null(j, dir_names[d], tc[d]);
	json_object_end(j);
}

static const struct kind tc_kind = { tc_text, tc_json };

static void foreign_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*lab->foreign_qdisc)
		fprintf(f, "%s on %s, put there by somebody else; choppy leaves it alone",
			lab->foreign_qdisc, lab->dev);
}

static const struct kind foreign_kind = { foreign_text, string_json };

/* -------------------------------------------------------------- conditions */

/* Whether the queue in force is the default one. */
static bool default_limit(const struct choppy_condition *c)
{
	return has(c, CHOPPY_RATE) && !has(c, CHOPPY_LIMIT);
}

static void condition_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	static const struct choppy_rules none;

	if (lab->rules.n && !lab->dir[CHOPPY_UP].set && !lab->dir[CHOPPY_DOWN].set)
		fprintf(f, "none but for the rules");
	else
		describe_condition(f, lab->dir, &none);
}

static void queue_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	static const struct choppy_amount n = { .n = CHOPPY_LIMIT_DEFAULT_PACKETS,
						.unit = CHOPPY_PACKETS };
	bool up = default_limit(&lab->dir[CHOPPY_UP]), down = default_limit(&lab->dir[CHOPPY_DOWN]);
	char value[64];

	if (!up && !down)
		return;
	choppy_value_print(value, sizeof(value), &choppy_fields()[CHOPPY_LIMIT], &n);
	fprintf(f, "limit %s %s (default)", value, up && down ? "each way" : up ? "up" : "down");
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

static void condition_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_condition *dir = at;
	struct choppy_condition in_force;
	char words[CHOPPY_CONDITION_TEXT_MAX];
	int d;

	json_object(j, key);
	choppy_condition_print_both(words, sizeof(words), dir);
	json_text(j, "text", words);
	for (d = 0; d < CHOPPY_NDIRS; d++) {
		in_force = dir[d];
		if (default_limit(&dir[d])) {
			in_force.limit.n = CHOPPY_LIMIT_DEFAULT_PACKETS;
			in_force.limit.unit = CHOPPY_PACKETS;
			in_force.set |= CHOPPY_FIELD_BIT(CHOPPY_LIMIT);
		}
		fields_json(j, dir_names[d], &in_force, dir[d].set);
	}
	json_object_end(j);
}

/* A line a rule. */
static void rules_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	uint32_t i;
	int d, n;

	for (i = 0; i < lab->rules.n; i++) {
		uint32_t dirs = lab->rules.rule[i].dirs;

		if (i)
			fprintf(f, "\n  %-*s", LABEL_WIDTH, "");
		describe_rule(f, &lab->rules, i,
			      dirs & CHOPPY_DIR_BIT(CHOPPY_UP) ? CHOPPY_UP : CHOPPY_DOWN, true);
		for (d = 0, n = 0; d < CHOPPY_NDIRS; d++)
			if (dirs & CHOPPY_DIR_BIT(d))
				fprintf(f, "%s%s %" PRIu64, n++ ? ", " : ": packets ", dir_names[d],
					lab->matched[d][i]);
	}
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
			json_u64(j, dir_names[d], lab->matched[d][i]);
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

static const struct kind rules_kind = { rules_text, rules_json };
static const struct kind condition_kind = { condition_text, condition_json };
static const struct kind queue_kind = { queue_text, NULL };

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
		json_object(j, dir_names[d]);
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

static void up_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	describe_summary(f, lab, CHOPPY_UP);
}

static void down_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	describe_summary(f, lab, CHOPPY_DOWN);
}

static const struct kind up_kind = { up_text, NULL };
static const struct kind down_kind = { down_text, NULL };
static const struct kind counters_kind = { NULL, counters_json };

static void notes_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	int i;

	for (i = 0; i < lab->nnotes; i++)
		fprintf(f, "%s%s", i ? "; " : "", lab->notes[i]);
}

static void notes_json(struct json *j, const char *key, const void *at)
{
	const struct choppy_lab *lab = at;
	int i;

	json_array(j, key);
	for (i = 0; i < lab->nnotes; i++)
		json_text(j, NULL, lab->notes[i]);
	json_array_end(j);
}

static const struct kind notes_kind = { notes_text, notes_json };

/* --------------------------------------------------------------- the table */

#define AT(member) offsetof(struct choppy_lab, member)

/* A fact whose text is empty gets no line. */
static const struct row {
	const char *label; /* for people, or NULL */
	const char *key; /* for programs, or NULL */
	const struct kind *kind;
	size_t offset; /* 0 where the kind takes the whole lab */
	bool brief; /* told already when the lab is made */
} rows[] = {
	{ NULL, "name", &string_kind, AT(name), true },
	{ "made by", "permanent", &permanent_kind, AT(permanent), false },
	{ "nodes", "nodes", &nodes_kind, AT(nodes), true },
	{ NULL, "links", &count_kind, AT(links), false },
	{ "address", "ipv4", &addr4_kind, 0, true },
	{ "address", "ipv6", &addr6_kind, 0, true },
	{ "device", "device", &device_kind, AT(dev), true },
	{ NULL, "host_device", &string_kind, AT(host_dev), false },
	{ NULL, "own_gateway", &bool_kind, AT(own_gateway), false },
	{ NULL, "rootless", &bool_kind, AT(rootless), false },
	{ "uplink", "uplink", &uplink_kind, AT(uplink), true },
	{ "published", "publish", &publish_kind, 0, true },
	{ "backend", "backend", &backend_kind, AT(backend), true },
	{ "seed", "seed", &seed_kind, AT(seed), true },
	{ NULL, "seed_hex", &seed_hex_kind, AT(seed), false },
	{ NULL, "seeded", &bool_kind, AT(seeded), false },
	{ "tcp", "congestion_control", &string_kind, AT(congestion), false },
	{ "keeper", "keeper", &pid_kind, AT(keeper), false },
	{ "init", "init", &pid_kind, AT(init), false },
	{ "condition", "condition", &condition_kind, AT(dir), true },
	{ "rules", "rules", &rules_kind, 0, true },
	{ "queue", NULL, &queue_kind, 0, true },
	{ "netem", "tc", &tc_kind, AT(tc), false },
	{ "foreign", "foreign_qdisc", &foreign_kind, AT(foreign_qdisc), false },
	{ "up", NULL, &up_kind, 0, false },
	{ "down", NULL, &down_kind, 0, false },
	{ NULL, "counters", &counters_kind, AT(counters), false },
	{ "notes", "notes", &notes_kind, 0, false },
};

/* One line, unless the row has nothing to say. 0 or -ENOMEM. */
static int row_text(FILE *f, const struct row *row, const struct choppy_lab *lab)
{
	char *value = NULL;
	size_t size;
	FILE *m = open_memstream(&value, &size);

	if (!m)
		return -ENOMEM;
	row->kind->text(m, lab, (const char *)lab + row->offset);
	if (fclose(m) == EOF) {
		free(value);
		return -ENOMEM;
	}
	if (*value)
		fprintf(f, "  %-*s%s\n", LABEL_WIDTH, row->label, value);
	free(value);
	return 0;
}

int describe_text(FILE *f, const struct choppy_lab *lab, bool brief)
{
	size_t i;
	int r;

	fprintf(f, "%s\n", lab->name);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].label || (brief && !rows[i].brief))
			continue;
		r = row_text(f, &rows[i], lab);
		if (r < 0)
			return r;
	}
	return 0;
}

void describe_json(struct json *j, const char *key, const struct choppy_lab *lab)
{
	size_t i;

	json_object(j, key);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].key)
			rows[i].kind->json(j, rows[i].key, (const char *)lab + rows[i].offset);
	json_object_end(j);
}

void describe_json_alone(FILE *f, const struct choppy_lab *lab)
{
	struct json j = { .f = f };

	describe_json(&j, NULL, lab);
	json_end(&j);
}
