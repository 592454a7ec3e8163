package render

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"pfsight/report"
)

// A Parquet file holds parquetGroup rows together, or fewer that are as long as
// parquetBytes as JSON: what a writer keeps in memory.
const (
	parquetGroup = 1 << 15
	parquetBytes = 64 << 20
)

// parquetCertificate and parquetOffer are the objects in a record, as columns.
type parquetCertificate struct {
	Subject   string `json:"subject,omitempty" parquet:"subject,optional,dict"`
	Issuer    string `json:"issuer,omitempty" parquet:"issuer,optional,dict"`
	Key       string `json:"key,omitempty" parquet:"key,optional,dict"`
	Bits      uint64 `json:"bits,omitempty" parquet:"bits,optional,dict"`
	NotBefore string `json:"not_before,omitempty" parquet:"not_before,optional,dict"` // text: certificates reach beyond what nanoseconds hold
	NotAfter  string `json:"not_after,omitempty" parquet:"not_after,optional,dict"`
	SHA256    string `json:"sha256,omitempty" parquet:"sha256,optional,dict"`
	SPKI      string `json:"spki_sha256,omitempty" parquet:"spki_sha256,optional,dict"`
}

type parquetOffer struct {
	Versions             []string `json:"versions,omitempty" parquet:"versions,list"`
	CipherSuites         []string `json:"cipher_suites,omitempty" parquet:"cipher_suites,list"`
	Groups               []string `json:"groups,omitempty" parquet:"groups,list"`
	KeyShares            []string `json:"key_shares,omitempty" parquet:"key_shares,list"`
	SignatureAlgorithms  []string `json:"signature_algorithms,omitempty" parquet:"signature_algorithms,list"`
	ALPN                 []string `json:"alpn,omitempty" parquet:"alpn,list"`
	PSKModes             []string `json:"psk_modes,omitempty" parquet:"psk_modes,list"`
	SupportedVersions    *bool    `json:"supported_versions,omitempty" parquet:"supported_versions,optional"`
	ExtendedMaster       *bool    `json:"extended_master_secret,omitempty" parquet:"extended_master_secret,optional"`
	RenegotiationInfo    *bool    `json:"renegotiation_info,omitempty" parquet:"renegotiation_info,optional"`
	CompressedPointsOnly *bool    `json:"compressed_points_only,omitempty" parquet:"compressed_points_only,optional"`
	Incomplete           *bool    `json:"incomplete,omitempty" parquet:"incomplete,optional"`
}

// parquetType makes the type of a row out of Fields: what is added there is a
// column. An absent value is null.
func parquetType() reflect.Type {
	var fields []reflect.StructField
	for i, f := range Fields {
		var typ reflect.Type
		opt := ",optional"
		switch {
		case strings.HasPrefix(f.Type, "RFC 3339"):
			typ, opt = reflect.TypeFor[*time.Time](), ",optional,timestamp(nanosecond)"
		case f.Type == "number":
			typ = reflect.TypeFor[*uint64]()
		case f.Type == "boolean":
			typ = reflect.TypeFor[*bool]()
		case f.Type == "list":
			typ, opt = reflect.TypeFor[[]string](), ",list"
		case f.Name == "offered":
			typ = reflect.TypeFor[*parquetOffer]()
		case f.Type == "object":
			typ = reflect.TypeFor[*parquetCertificate]()
		default:
			typ, opt = reflect.TypeFor[string](), ",optional,dict"
		}
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("F%d", i), Type: typ, Tag: reflect.StructTag(fmt.Sprintf(`json:"%s,omitempty" parquet:"%s%s"`, f.Name, f.Name, opt)),
		})
	}
	return reflect.StructOf(fields)
}

type parquetWriter struct {
	w      *parquet.GenericWriter[any]
	e      Encoder
	typ    reflect.Type
	n      int // rows of the group
	bytes  int // of them, as JSON
	at     int // the field of typ that holds what was offered
	offers map[*report.Offer]madeOffer
}

// A madeOffer is an offer as columns, and its length as JSON.
type madeOffer struct {
	columns *parquetOffer
	size    int
}

// A writer remembers maxParquetOffers offers as columns, of at most
// longParquetOffer bytes each.
const (
	maxParquetOffers = 1 << 12
	longParquetOffer = 16 << 10
)

// NewParquet returns a Writer of a Parquet file whose columns are the fields
// of the record.
func NewParquet(w io.Writer) Writer {
	typ := parquetType()
	schema := parquet.SchemaOf(reflect.New(typ).Interface())
	return &parquetWriter{
		w: parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("pfsight", "", "")), typ: typ,
		at: slices.IndexFunc(Fields, func(f Field) bool { return f.Name == "offered" }), offers: map[*report.Offer]madeOffer{},
	}
}

func (p *parquetWriter) Write(c *report.Connection) error {
	row := reflect.New(p.typ)
	rest := *c
	rest.Offered = nil
	text := p.e.Record(&rest)
	if err := json.Unmarshal(text, row.Interface()); err != nil {
		return err
	}
	o, err := p.offer(c.Offered)
	if err != nil {
		return err
	}
	row.Elem().Field(p.at).Set(reflect.ValueOf(o.columns))
	if _, err := p.w.Write([]any{row.Interface()}); err != nil {
		return err
	}
	p.n++
	if p.bytes += len(text) + o.size; p.n < parquetGroup && p.bytes < parquetBytes {
		return nil
	}
	p.n, p.bytes = 0, 0
	return p.w.Flush()
}

// offer returns the columns of an offer, made once of those that are shared.
func (p *parquetWriter) offer(o *report.Offer) (made madeOffer, err error) {
	if o == nil {
		return made, nil
	}
	if made, ok := p.offers[o]; ok {
		return made, nil
	}
	text := appendOffer([]byte("{"), o)[len(`{"offered":`):]
	made = madeOffer{new(parquetOffer), len(text)}
	if err := json.Unmarshal(text, made.columns); err != nil {
		return made, err
	}
	if len(p.offers) < maxParquetOffers && made.size <= longParquetOffer {
		p.offers[o] = made
	}
	return made, nil
}

func (p *parquetWriter) Close() error { return p.w.Close() }
