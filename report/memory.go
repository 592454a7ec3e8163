package report

import "pfsight/parse/bounded"

// Approximate size of the full tables, bytes. Most of a Report's memory is
// servers and their clients.
const (
	reportCost  = 80 << 20
	historyCost = 20 << 20
	builderCost = 28 << 20
)

// ReportShare divides memory between a Report, a History and n Builders, in
// proportion to their full sizes. All values are in bytes.
func ReportShare(memory int64, n int) (report, history, builder int64) {
	all := int64(reportCost + historyCost + n*builderCost)
	part := func(cost int64) int64 { return int64(float64(memory) * float64(cost) / float64(all)) }
	return part(reportCost), part(historyCost), part(builderCost)
}

// Within lowers the limits of r so that it takes at most about memory bytes.
// Call it before the first Add.
func (r *Report) Within(memory int64) {
	r.servers.limit = bounded.Fit(maxServers, memory, reportCost)
	r.keys.limit = bounded.Fit(maxKeys, memory, reportCost)
	r.ticketKeys.limit = bounded.Fit(maxTicketKey, memory, reportCost)
	r.exposed.limit = bounded.Fit(maxExposed, memory, reportCost)
	r.maxClients = bounded.Fit(maxAllClients, memory, reportCost)
}

// Within lowers the limits of h so that it takes at most about memory bytes.
// Call it before the first Join.
func (h *History) Within(memory int64) {
	h.sessions = bounded.NewMap[uint64, Session](bounded.Fit(maxSessions, memory, historyCost))
	h.ephemeral = bounded.NewMap[KeyID, uint64](bounded.Fit(maxEphemeral, memory, historyCost))
	h.tickets = bounded.NewMap[string, int64](bounded.Fit(maxTicketKey, memory, historyCost))
}

// Within lowers the limits of b so that it takes at most about memory bytes.
func (b *Builder) Within(memory int64) {
	b.maxOffers = bounded.Fit(maxOffers, memory, builderCost)
	b.maxCerts = bounded.Fit(maxCertificates, memory, builderCost)
	b.maxNames = bounded.Fit(maxNames, memory, builderCost)
	b.maxSpare = bounded.Fit(maxSpare, memory, builderCost)
}
