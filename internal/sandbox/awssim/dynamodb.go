package awssim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Codes of DynamoDB.
const (
	codeConditionFailed = "ConditionalCheckFailedException"
	codeTableBadRequest = "ValidationException"
	codeTableInUse      = "ResourceInUseException"
	// CodeNoSuchTable is the answer to everything but CreateTable where there is no table of that name.
	CodeNoSuchTable = "ResourceNotFoundException"
)

// mostItemBytes is how large an item may be. AWS counts names and values; this counts them as they are on the wire.
const mostItemBytes = 400 << 10

// dynamoDB is what an account has in one region. Only the operations, and only the expressions, that an agent needs for
// its journal are served. Whoever is of the account may use all of it. A new table is there at once, nothing expires, a
// query has one page, and indexes are never behind.
type dynamoDB struct {
	mu     sync.Mutex
	made   int
	tables map[string]*dynamoTable
}

type dynamoTable struct {
	id          string
	is          tableInput // as CreateTable described it
	protected   bool
	recoverable bool
	expires     string
	items       map[string]dynamoItem // by the primary key's JSON
}

// dynamoItem is attributes by their names. Each is a type and a value: S, N or B.
type dynamoItem map[string]map[string]string

type keyElement struct{ AttributeName, KeyType string }

// tableInput has the fields of all operations.
type tableInput struct {
	TableName, BillingMode string
	KeySchema              []keyElement
	AttributeDefinitions   []struct{ AttributeName, AttributeType string }
	GlobalSecondaryIndexes []struct {
		IndexName  string
		KeySchema  []keyElement
		Projection struct{ ProjectionType string }
	}
	DeletionProtectionEnabled        bool
	TimeToLiveSpecification          struct{ AttributeName string }
	PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }

	Key                                                                      dynamoItem
	IndexName, KeyConditionExpression, UpdateExpression, ConditionExpression string
	ExpressionAttributeNames                                                 map[string]string
	ExpressionAttributeValues                                                dynamoItem
}

// tableOperations are those that are served, but CreateTable.
var tableOperations = map[string]func(*dynamoTable, tableInput) (any, *apiError){
	"GetItem": getItem, "Query": query, "UpdateItem": updateItem, "DeleteItem": deleteItem,
	"DescribeTable": describeTable, "UpdateTable": updateTable,
	"DescribeTimeToLive": describeExpiry, "UpdateTimeToLive": updateExpiry,
	"DescribeContinuousBackups": describeBackups, "UpdateContinuousBackups": updateBackups,
}

// routeTable finds the operation of a request to DynamoDB, which is in a header.
func routeTable(r *request, target string) *apiError {
	operation, is := strings.CutPrefix(target, "DynamoDB_20120810.")
	do := tableOperations[operation]
	if r.method != http.MethodPost || !is || do == nil && operation != "CreateTable" {
		return refuse(http.StatusBadRequest, CodeUnknownOperation, "This stand-in does not serve %s %s %s", r.method, r.path, target)
	}
	var in tableInput
	if err := json.Unmarshal(r.body, &in); err != nil {
		return refuse(http.StatusBadRequest, "SerializationException", "%v", err)
	}
	r.event.Operation, r.class = operation, classTable
	r.do = func(s *Server, r *request) (response, *apiError) {
		g := s.region(Scope{r.caller.account, r.credential.region})
		d := &g.dynamoDB
		d.mu.Lock()
		defer d.mu.Unlock()
		t := d.tables[in.TableName]
		switch {
		case do == nil && t != nil:
			return response{}, refuse(http.StatusBadRequest, codeTableInUse, "Table already exists: %s", in.TableName)
		case do == nil:
			if t = d.create(g.scope, in); t == nil {
				return response{}, invalid("a table needs a name and a key schema")
			}
			do = describeTable
		case t == nil:
			return response{}, refuse(http.StatusBadRequest, CodeNoSuchTable, "Requested resource not found: Table: %s not found", in.TableName)
		}
		answer, refused := do(t, in)
		if failed, is := answer.(conditionFailed); is {
			a := jsonResponse(http.StatusBadRequest, failed)
			a.code = codeConditionFailed
			return a, nil
		}
		return jsonResponse(http.StatusOK, answer), refused
	}
	return nil
}

func invalid(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, codeTableBadRequest, format, args...)
}

// create is nil where a table cannot be made so.
func (d *dynamoDB) create(scope Scope, in tableInput) *dynamoTable {
	if in.TableName == "" || len(in.KeySchema) == 0 {
		return nil
	}
	t := &dynamoTable{is: in, protected: in.DeletionProtectionEnabled, items: map[string]dynamoItem{}}
	t.id = d.nextID(scope)
	if d.tables == nil {
		d.tables = map[string]*dynamoTable{}
	}
	d.tables[in.TableName] = t
	return t
}

// nextID is one that no other table has.
func (d *dynamoDB) nextID(scope Scope) string {
	d.made++
	return requestID(hash64(0, "table", fmt.Sprint(scope, d.made)))
}

// Restore puts a table in another one's place that was made of a backup of it: with its items, another id, and neither
// protection, nor a time to live, nor point-in-time recovery.
func (s *Server) Restore(scope Scope, table string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	d := &g.dynamoDB
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tables[table]
	if t == nil {
		return fmt.Errorf("%s table %q: %w", scope, table, ErrUnknown)
	}
	d.tables[table] = &dynamoTable{id: d.nextID(scope), is: t.is, items: maps.Clone(t.items)}
	return nil
}

func describeTable(t *dynamoTable, _ tableInput) (any, *apiError) {
	return map[string]any{"Table": map[string]any{
		"TableName": t.is.TableName, "TableId": t.id, "TableStatus": "ACTIVE", "KeySchema": t.is.KeySchema,
		"AttributeDefinitions": t.is.AttributeDefinitions, "GlobalSecondaryIndexes": t.is.GlobalSecondaryIndexes,
		"DeletionProtectionEnabled": t.protected, "BillingModeSummary": map[string]string{"BillingMode": t.is.BillingMode},
	}}, nil
}

func updateTable(t *dynamoTable, in tableInput) (any, *apiError) {
	t.protected = in.DeletionProtectionEnabled
	return describeTable(t, in)
}

func describeExpiry(t *dynamoTable, _ tableInput) (any, *apiError) {
	status := "DISABLED"
	if t.expires != "" {
		status = "ENABLED"
	}
	return map[string]any{"TimeToLiveDescription": map[string]string{"TimeToLiveStatus": status, "AttributeName": t.expires}}, nil
}

func updateExpiry(t *dynamoTable, in tableInput) (any, *apiError) {
	if t.expires != "" {
		return nil, invalid("TimeToLive is already enabled")
	}
	t.expires = in.TimeToLiveSpecification.AttributeName
	return struct{}{}, nil
}

func describeBackups(t *dynamoTable, _ tableInput) (any, *apiError) {
	status := "DISABLED"
	if t.recoverable {
		status = "ENABLED"
	}
	return map[string]any{"ContinuousBackupsDescription": map[string]any{
		"ContinuousBackupsStatus":        "ENABLED",
		"PointInTimeRecoveryDescription": map[string]string{"PointInTimeRecoveryStatus": status},
	}}, nil
}

func updateBackups(t *dynamoTable, in tableInput) (any, *apiError) {
	t.recoverable = in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
	return describeBackups(t, in)
}

// key is where an item is: its primary key, which must be just that.
func (t *dynamoTable) key(in tableInput) (string, *apiError) {
	for _, k := range t.is.KeySchema {
		if in.Key[k.AttributeName] == nil {
			return "", invalid("The provided key element does not match the schema")
		}
	}
	text, err := json.Marshal(in.Key) // with sorted names
	if err != nil || len(in.Key) != len(t.is.KeySchema) {
		return "", invalid("The provided key element does not match the schema")
	}
	return string(text), nil
}

func getItem(t *dynamoTable, in tableInput) (any, *apiError) {
	key, refused := t.key(in)
	if item := t.items[key]; item != nil {
		return map[string]any{"Item": item}, refused
	}
	return struct{}{}, refused
}

// query gives all items that fit, in the order of the sort key.
func query(t *dynamoTable, in tableInput) (any, *apiError) {
	schema := t.is.KeySchema
	for _, index := range t.is.GlobalSecondaryIndexes {
		if index.IndexName == in.IndexName {
			schema = index.KeySchema
		}
	}
	found := []dynamoItem{}
	for _, item := range t.items {
		fits, refused := in.holds(in.KeyConditionExpression, item)
		if refused != nil {
			return nil, refused
		}
		if fits {
			found = append(found, item)
		}
	}
	sort := schema[len(schema)-1].AttributeName
	slices.SortFunc(found, func(a, b dynamoItem) int { return cmp.Compare(a[sort]["S"], b[sort]["S"]) })
	return map[string]any{"Items": found, "Count": len(found)}, nil
}

// conditionFailed is the answer to a write whose condition is not true, with what is there.
type conditionFailed struct {
	Type    string     `json:"__type"`
	Message string     `json:"message"`
	Item    dynamoItem `json:"Item,omitempty"`
}

func updateItem(t *dynamoTable, in tableInput) (any, *apiError) {
	return t.write(in, func(item dynamoItem) *apiError {
		update, removed, _ := strings.Cut(" "+in.UpdateExpression, " REMOVE ")
		for name := range strings.SplitSeq(removed, ", ") {
			delete(item, in.name(name))
		}
		set, is := strings.CutPrefix(update, " SET ")
		for assignment := range strings.SplitSeq(set, ", ") {
			name, value, _ := strings.Cut(assignment, " = ")
			switch v, known := in.ExpressionAttributeValues[value]; {
			case known:
				item[in.name(name)] = v
			case is:
				return invalid("Invalid UpdateExpression: this stand-in does not read %q", in.UpdateExpression)
			}
		}
		if text, err := json.Marshal(item); err != nil || len(text) > mostItemBytes {
			return invalid("Item size to update has exceeded the maximum allowed size")
		}
		return nil
	})
}

func deleteItem(t *dynamoTable, in tableInput) (any, *apiError) { return t.write(in, nil) }

// write changes an item if the condition is true of it; without a change it deletes it.
func (t *dynamoTable) write(in tableInput, change func(dynamoItem) *apiError) (any, *apiError) {
	key, refused := t.key(in)
	if refused != nil {
		return nil, refused
	}
	is := t.items[key]
	switch fits, refused := in.holds(in.ConditionExpression, is); {
	case refused != nil:
		return nil, refused
	case !fits:
		return conditionFailed{"com.amazonaws.dynamodb.v20120810#" + codeConditionFailed, "The conditional request failed", is}, nil
	case change == nil:
		delete(t.items, key)
		return struct{}{}, nil
	}
	next := maps.Clone(is)
	if next == nil {
		next = maps.Clone(in.Key)
	}
	if refused := change(next); refused != nil {
		return nil, refused
	}
	t.items[key] = next // the one before may be on its way to a reader
	return struct{}{}, nil
}

// holds reports whether all of an expression is true of an item: equalities, begins_with and attribute_not_exists,
// joined by AND.
func (in tableInput) holds(expression string, of dynamoItem) (bool, *apiError) {
	if expression == "" {
		return true, nil
	}
	for term := range strings.SplitSeq(expression, " AND ") {
		function, arguments, called := strings.Cut(strings.TrimSuffix(term, ")"), "(")
		name, value, two := strings.Cut(arguments, ", ")
		if !called {
			name, value, two = strings.Cut(term, " = ")
		}
		has, v := of[in.name(name)], in.ExpressionAttributeValues[value]
		var is bool
		switch {
		case !called && two && v != nil:
			is = maps.Equal(has, v)
		case called && function == "begins_with" && v["S"] != "":
			is = strings.HasPrefix(has["S"], v["S"])
		case called && function == "attribute_not_exists":
			is = has == nil
		default:
			return false, invalid("this stand-in does not read the expression %q", expression)
		}
		if !is {
			return false, nil
		}
	}
	return true, nil
}

// name is the attribute that a placeholder stands for.
func (in tableInput) name(placeholder string) string { return in.ExpressionAttributeNames[placeholder] }
