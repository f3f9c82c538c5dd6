#include "services/dns-resolver/answer.h"

#include "common/dns/extended_error.h"
#include "common/dns/name.h"

#define RCODE_NOERROR 0
#define RCODE_NXDOMAIN 3
#define RECORDS_MAX 1000

static struct lookup_answer without_records(enum lookup_status status, struct str name,
                                            struct str detail)
{
    return (struct lookup_answer){
        .status = status, .canonical_name = name, .extended_error = -1, .detail = detail};
}

struct lookup_answer answer_timeout(struct str name)
{
    return without_records(LOOKUP_TIMEOUT, name, STR("no answer in time"));
}

struct lookup_answer answer_failure(struct str name, struct str detail)
{
    return without_records(LOOKUP_TEMPORARY, name, detail);
}

static struct str rcode_text(int rcode, struct arena *arena)
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    if (rcode >= 0 && (size_t)rcode < ARRAY_LEN(names))
        return str_from_cstr(names[rcode]);
    return arena_printf(arena, "RCODE %d", rcode);
}

static bool read_records(const struct ub_result *result, enum dns_type type, struct arena *arena,
                         struct lookup_answer *answer, struct err *err)
{
    size_t count = 0;
    while (count < RECORDS_MAX && result->data[count])
        count++;
    struct dns_record *records = arena_new_array(arena, count, struct dns_record);
    if (!records)
        return err_set(err, ERR_LIMIT, "no room for %zu DNS records", count);
    for (size_t i = 0; i < count; i++) {
        struct str rdata = arena_copy(arena, str_make(result->data[i], (size_t)result->len[i]));
        struct err syntax;
        if (dns_rdata_parse(type, rdata, arena, &records[answer->record_count], &syntax))
            answer->record_count++;
        else
            answer->detail = arena_printf(arena, "%s", syntax.detail);
    }
    answer->records = records;
    return arena->exhausted ? err_set(err, ERR_LIMIT, "no room for DNS records") : true;
}

static struct lookup_answer read_failure(const struct ub_result *result, struct str name,
                                         struct arena *arena)
{
    if (!result->bogus)
        return without_records(LOOKUP_TEMPORARY, name, rcode_text(result->rcode, arena));
    struct str why = arena_copy(arena, str_from_cstr(result->why_bogus));
    struct lookup_answer answer = without_records(LOOKUP_BOGUS, name, why);
    answer.extended_error = (int)dns_extended_error_of(why);
    answer.extended_text = why;
    return answer;
}

/* The library gives the canonical name only when it is another. */
static struct str canonical_name(const struct ub_result *result, struct str name,
                                 struct arena *arena)
{
    struct str canonical = str_from_cstr(result->canonname), parsed;
    struct err err;
    if (canonical.len == 0)
        return name;
    return dns_name_parse(canonical, arena, &parsed, &err) ? parsed : arena_lower(arena, canonical);
}

bool answer_read(const struct ub_result *result, struct str name, enum dns_type type,
                 struct arena *arena, struct lookup_answer *ret, struct err *err)
{
    bool is_answer = result->rcode == RCODE_NOERROR || result->rcode == RCODE_NXDOMAIN;
    if (result->bogus || !is_answer) {
        *ret = read_failure(result, name, arena);
        return true;
    }
    *ret = without_records(LOOKUP_NOT_FOUND, canonical_name(result, name, arena), STR_NULL);
    ret->authentic = result->secure;
    ret->nxdomain = result->nxdomain;
    ret->ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0;
    if (!result->havedata) {
        ret->detail = result->nxdomain ? STR("NXDOMAIN") : STR("no such record");
        return true;
    }
    TRY(read_records(result, type, arena, ret, err));
    ret->status = ret->record_count > 0 ? LOOKUP_OK : LOOKUP_TEMPORARY;
    return true;
}

/* ---- A and AAAA */

static bool is_failure(const struct lookup_answer *answer)
{
    return answer->status != LOOKUP_OK && answer->status != LOOKUP_NOT_FOUND;
}

static uint32_t shorter(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

bool answer_join(const struct lookup_answer *a, const struct lookup_answer *aaaa,
                 struct arena *arena, struct lookup_answer *ret, struct err *err)
{
    /* A forged answer is worse news than one that did not come. */
    const struct lookup_answer *worse = is_failure(a) ? a : aaaa;
    if (aaaa->status == LOOKUP_BOGUS)
        worse = aaaa;
    if (a->status == LOOKUP_BOGUS)
        worse = a;
    *ret = is_failure(worse) ? *worse : *a;
    if (is_failure(worse))
        return true;
    size_t count = a->record_count + aaaa->record_count;
    struct dns_record *records = arena_new_array(arena, count, struct dns_record);
    if (!records)
        return err_set(err, ERR_LIMIT, "no room for %zu DNS records", count);
    for (size_t i = 0; i < count; i++)
        records[i] = i < a->record_count ? a->records[i] : aaaa->records[i - a->record_count];
    ret->status = count > 0 ? LOOKUP_OK : LOOKUP_NOT_FOUND;
    ret->detail = count > 0 ? STR_NULL : a->detail;
    ret->records = records;
    ret->record_count = count;
    ret->authentic = a->authentic && aaaa->authentic;
    ret->nxdomain = a->nxdomain && aaaa->nxdomain;
    ret->ttl_s = shorter(a->ttl_s, aaaa->ttl_s);
    return true;
}
