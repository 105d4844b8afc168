package doctor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"federation-agent/internal/doctor"
	"federation-agent/internal/dynamodb"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/store/tablestore"
	items "federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

// aTable is the model of the journal's items. It refuses the writes that denied names.
type aTable struct {
	items.Items
	denied string
	lacks  []dynamodb.Lack
}

func (a aTable) Lacks(context.Context) ([]dynamodb.Lack, error) { return a.lacks, nil }

func (a aTable) Delete(ctx context.Context, key items.Key, on items.Condition) error {
	if a.denied == "DeleteItem" {
		return fmt.Errorf("%w: %w", items.ErrNotWritten, &smithy.GenericAPIError{Code: "AccessDeniedException"})
	}
	return a.Items.Delete(ctx, key, on)
}

func TestDoctorChecksTheTableOfTheJournal(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*tablesim.Model)
		denied  string
		lacks   []dynamodb.Lack
		verdict doctor.Verdict
		says    string
	}{
		"good": {verdict: doctor.Good, says: "deletion protection, point-in-time recovery and time to live are on"},
		"restored": {
			change:  func(m *tablesim.Model) { m.Restore(m.Backup(), "table-2") },
			verdict: doctor.Attention, says: "store accept-restore",
		},
		"global": {
			change:  func(m *tablesim.Model) { m.Become(func(d *items.Description) { d.Consistency = items.Eventual }) },
			verdict: doctor.Attention, says: "in the eventual mode",
		},
		"denied":  {denied: "DeleteItem", verdict: doctor.Attention, says: "dynamodb:DeleteItem is refused policy --of table"},
		"lacking": {lacks: []dynamodb.Lack{dynamodb.NoRecovery}, verdict: doctor.Attention, says: "point-in-time recovery store create"},
	} {
		t.Run(name, func(t *testing.T) {
			model := tablesim.New(nil)
			if err := tablestore.New(model.Client("agent"), nil).Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(model)
			}
			before := fmt.Sprint(model.Backup())
			p := newPatient(t)
			p.settings = []string{"gravitee_agent_store_table_name=fed"}
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) {
				o.Table = func(context.Context) (doctor.Table, error) {
					return aTable{model.Client("doctor"), c.denied, c.lacks}, nil
				}
			}
			for _, r := range p.results() {
				if r.Check != "store" {
					continue
				}
				said := r.Text + " " + r.Remedy
				for words := range strings.SplitSeq(c.says, " ") {
					if r.Verdict != c.verdict || !strings.Contains(said, words) {
						t.Errorf("%s, not %q: %s", r.Verdict, words, said)
					}
				}
			}
			if after := fmt.Sprint(model.Backup()); after != before {
				t.Errorf("the table was changed:\n%s\n%s", before, after)
			}
		})
	}
}
