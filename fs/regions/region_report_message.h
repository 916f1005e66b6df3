/* region_report_message.h: the reports of regions (region_table.h) in a ReportRequest. */
#ifndef RAFTKV_FS_REGIONS_REGION_REPORT_MESSAGE_H
#define RAFTKV_FS_REGIONS_REGION_REPORT_MESSAGE_H

#include "fs/cluster/region_table.h"
#include "proto/raftkv.pb-c.h"

#define REGION_REPORTS_MAX 4096u /* in a request */

/* Memory of the messages, until region_reports_packed_free. */
struct region_reports_packed {
	struct region_report_draft *drafts;
	Raftkv__RegionReport **pointers;
	Raftkv__Replica *replicas;
	Raftkv__Replica **replica_pointers;
};

/* Sets the request's `regions`. 0 or -ENOMEM; then there is nothing to free. */
int region_reports_pack(Raftkv__ReportRequest *request, const struct region_report *reports, uint32_t count,
	struct region_reports_packed *packed);
void region_reports_packed_free(struct region_reports_packed *packed);

struct region_reports_unpacked {
	uint32_t count;
	struct region_report *reports;
	struct region_report_replica *replicas;
};

/* Zero at first. 0; STATUS_MALFORMED: more than REGION_REPORTS_MAX, or a field that must be there is not; -ENOMEM. An
 * error leaves nothing to free. */
int region_reports_unpack(const Raftkv__ReportRequest *request, struct region_reports_unpacked *unpacked);
void region_reports_unpacked_free(struct region_reports_unpacked *unpacked);

#endif
