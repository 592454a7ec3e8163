package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"pfsight/cmd/pfsight/internal/demo"
	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/web"
)

const (
	dashboardFile = "dist/grafana-dashboard.json"
	alertsFile    = "dist/prometheus-alerts.yml"
)

// dashboardExprs returns the dashboard's expressions as Prometheus gets them.
func dashboardExprs(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Title      string
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			Title, Description, Type string
			Targets                  []struct{ Expr string }
			GridPos                  struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	var out []string
	places := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: %q, %d expressions, %v", p.Title, p.Description, len(p.Targets), p.GridPos)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := places[at]; ok {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				places[at] = p.Title
			}
		}
		for _, e := range p.Targets {
			out = append(out, strings.NewReplacer("$__rate_interval", "10s", "$instance", ".*").Replace(e.Expr))
		}
	}
	if len(out) < 20 {
		t.Fatalf("%d expressions", len(out))
	}
	return out
}

func alertExprs(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" {
				t.Errorf("a rule without a name or an expression: %+v", r)
			}
			out = append(out, r.Expr)
		}
	}
	if len(out) < 8 {
		t.Fatalf("%d rules", len(out))
	}
	return out
}

// exposed returns the metrics of a real scrape: their labels, and the values of
// each.
func exposed(t *testing.T, st *livestate.State) map[string]map[string]map[string]bool {
	t.Helper()
	families, err := st.Metrics().Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]map[string]bool{}
	for _, f := range families {
		labels := map[string]map[string]bool{"instance": nil, "job": nil} // added by Prometheus
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if labels[l.GetName()] == nil {
					labels[l.GetName()] = map[string]bool{}
				}
				labels[l.GetName()][l.GetValue()] = true
			}
		}
		out[f.GetName()] = labels
	}
	return out
}

var (
	metricName = regexp.MustCompile(`pfsight_[a-z0-9_]+`)
	matchers   = regexp.MustCompile(`(pfsight_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping   = regexp.MustCompile(`(?:by|ignoring|on|without) \(([^)]*)\)`)
	quoted     = regexp.MustCompile(`"[^"]*"`)
)

// TestDashboardAndAlerts checks that every metric, label and value in the
// dashboard and the alert rules exists.
func TestDashboardAndAlerts(t *testing.T) {
	st, _ := demo.State(t, captures)
	there := exposed(t, st)
	used := map[string]bool{}
	for _, e := range append(dashboardExprs(t), alertExprs(t)...) {
		names := metricName.FindAllString(quoted.ReplaceAllString(e, ""), -1)
		if len(names) == 0 {
			t.Errorf("no metric in %s", e)
		}
		labels := map[string]bool{}
		for _, n := range names {
			used[n] = true
			if there[n] == nil {
				t.Errorf("%s is in no scrape: %s", n, e)
			}
			for l := range there[n] {
				labels[l] = true
			}
		}
		for _, m := range matchers.FindAllStringSubmatch(e, -1) {
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				values, ok := there[m[1]][l[1]]
				if !ok {
					t.Errorf("%s has no label %s: %s", m[1], l[1], e)
				}
				for _, v := range strings.Split(l[3], "|") {
					if v != ".*" && !values[v] {
						t.Errorf("%s is never %s=%q: %s", m[1], l[1], v, e)
					}
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(e, -1) {
			for _, l := range strings.Split(g[1], ",") {
				if !labels[strings.TrimSpace(l)] {
					t.Errorf("%q is a label of none of %v: %s", l, names, e)
				}
			}
		}
	}
	for n := range there {
		if strings.HasPrefix(n, "pfsight_") && !used[n] {
			t.Logf("%s is shown nowhere", n)
		}
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not here")
	}
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// TestAlerts checks the rules with promtool, which also runs their unit tests.
func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", alertsFile)
	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "alerts.yml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(alertTests, rules)), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", file)
}

const alertTests = `
rule_files: [%q]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'pfsight_build_info{instance="a",job="p",version="1"}', values: '1x90'}
      - {series: 'pfsight_last_packet_timestamp_seconds{instance="a",job="p"}', values: '0+60x10 600x80'}
      - {series: 'pfsight_interface_up{instance="a",job="p",interface="eth0"}', values: '1x90'}
      - {series: 'pfsight_packets_total{instance="a",job="p"}', values: '0+10000x90'}
      - {series: 'pfsight_kernel_drops_total{instance="a",job="p",interface="eth0"}', values: '0+100x90'}
      - {series: 'pfsight_verdicts_total{instance="a",job="p",verdict="yes"}', values: '0+90x90'}
      - {series: 'pfsight_verdicts_total{instance="a",job="p",verdict="no"}', values: '0+10x90'}
      - {series: 'pfsight_verdicts_total{instance="a",job="p",verdict="unknown"}', values: '0x90'}
      - {series: 'pfsight_reasons_total{instance="a",job="p",reason="weak_dh"}', values: '0x50 1x40'}
    alert_rule_test:
      - {eval_time: 30m, alertname: PfsightKernelDrops, exp_alerts: [{exp_labels: {severity: warning, instance: a, job: p},
          exp_annotations: {summary: The kernel drops packets on a, description: '0.9901%% of the packets are in no share. Give the capture more ring, more cores or a filter.'}}]}
      - {eval_time: 80m, alertname: TLSNotForwardSecret, exp_alerts: [{exp_labels: {severity: info, instance: a, job: p},
          exp_annotations: {summary: Connections without forward secrecy at a, description: '10%% of the negotiated connections of the last hour. The page of the sensor names the servers.'}}]}
      - {eval_time: 9m, alertname: PfsightNoPackets, exp_alerts: []}
      - {eval_time: 40m, alertname: PfsightNoPackets, exp_alerts: [{exp_labels: {severity: critical, instance: a, job: p},
          exp_annotations: {summary: a sees no packets, description: 'The latest packet is 30m 0s old. Is the mirror port still configured?'}}]}
      - {eval_time: 80m, alertname: TLSUnknownVerdicts, exp_alerts: []}
      - {eval_time: 40m, alertname: TLSWeak, exp_alerts: []}
      - {eval_time: 80m, alertname: PfsightInterfaceDown, exp_alerts: []}
      - {eval_time: 80m, alertname: PfsightAbsent, exp_alerts: []}
  - interval: 1m
    input_series:
      - {series: 'pfsight_interface_up{instance="b",job="p",interface="eth1"}', values: '0x30'}
    alert_rule_test:
      - {eval_time: 10m, alertname: PfsightInterfaceDown, exp_alerts: [{exp_labels: {severity: critical, instance: b, job: p, interface: eth1},
          exp_annotations: {summary: eth1 of b is down}}]}
      - {eval_time: 10m, alertname: PfsightAbsent, exp_alerts: [{exp_labels: {severity: critical},
          exp_annotations: {summary: No sensor is scraped, description: Prometheus has no pfsight target that answers.}}]}
`

// TestPrometheus lets Prometheus scrape a running server, and evaluates every
// expression of the dashboard.
func TestPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not here")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st := livestate.New(livestate.Options{})
	server, err := web.Start(ctx, st, "127.0.0.1:0", "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	target := "http://" + server.Addr().String()
	go demo.Traffic(ctx, st, demo.Connections(t, demo.Captures(t, captures)...), 50)

	rules, err := filepath.Abs(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n- job_name: pfsight\n  static_configs: [{targets: [%q]}]\n",
		rules, strings.TrimPrefix(target, "http://"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(ctx, bin, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()

	ask := func(expr string) (n int, err error) {
		a, err := http.Get("http://" + addr + "/api/v1/query?query=" + url.QueryEscape(expr))
		if err != nil {
			return 0, err
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			return 0, err
		}
		var r struct {
			Status, Error string
			Data          struct{ Result []json.RawMessage }
		}
		if err := json.Unmarshal(b, &r); err != nil {
			return 0, fmt.Errorf("%w: %.200s", err, b)
		}
		if r.Status != "success" {
			return 0, fmt.Errorf("%s", r.Error)
		}
		return len(r.Data.Result), nil
	}
	deadline := time.Now().Add(60 * time.Second)
	for { // until it has scraped twice
		if n, _ := ask("rate(pfsight_packets_total[10s]) > 0"); n > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Prometheus has seen nothing")
		}
		time.Sleep(250 * time.Millisecond)
	}
	for _, e := range dashboardExprs(t) {
		n, err := ask(e)
		if err != nil {
			t.Errorf("%s: %v", e, err)
		}
		if n == 0 && !strings.Contains(e, "_evictions_") {
			t.Errorf("nothing answers %s", e)
		}
	}
	if n, err := ask("up == 1"); n != 1 || err != nil {
		t.Errorf("up: %d, %v", n, err)
	}
	if n, err := ask(`ALERTS{alertname="PfsightQueueLosses"} or vector(1)`); n == 0 || err != nil {
		t.Errorf("alerts: %d, %v", n, err)
	}
	names := map[string]bool{}
	for _, e := range alertExprs(t) {
		if _, err := ask(e); err != nil {
			t.Errorf("%s: %v", e, err)
		}
		for _, n := range metricName.FindAllString(e, -1) {
			names[n] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if k, err := ask(n); k == 0 || err != nil {
			t.Errorf("%s: %d series, %v", n, k, err)
		}
	}
}
