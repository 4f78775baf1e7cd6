package charset

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/traditionalchinese"
)

func encode(t testing.TB, e *Encoding, text string) []byte {
	t.Helper()
	if e.from == nil {
		return []byte(text)
	}
	b, err := e.from.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	return b
}

var texts = map[*Encoding]string{
	UTF8:        "Zoë,王小明,佐藤,😀\n",
	UTF16LE:     "Zoë,王小明,佐藤,😀,\ufffd\n",
	UTF16BE:     "Zoë,王小明,佐藤,😀,\ufffd\n",
	GB18030:     "王小明,朱镕基,喆,Zoë,😀,\ufffd,€\n",
	gbk:         "王小明,朱镕基,喆\n",
	ShiftJIS:    "佐藤 花子,ソニー,ｱｲｳ,表\n",
	Windows1252: "Zoë Müller,São Paulo,“€ 10”,£¥\n",
	Latin1:      "Zoë Müller,São Paulo,£\n",

	Named("big5"):         "陳小明,許功蓋,臺北\n",
	Named("euc-jp"):       "佐藤 花子,ソニー,ｱｲｳ\n",
	Named("euc-kr"):       "김철수,서울,똠방각하\n",
	Named("windows-1250"): "Łukasz Żółć,Dvořák,Győr\n",
	Named("windows-1251"): "Иван Петров,Київ\n",
}

func TestReader(t *testing.T) {
	for e, text := range texts {
		text = strings.Repeat(text, 5000)
		packed := encode(t, e, text)
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(packed), "halves": iotest.HalfReader(bytes.NewReader(packed)), "end with data": iotest.DataErrReader(bytes.NewReader(packed)),
			"bytes": iotest.OneByteReader(bytes.NewReader(packed)),
		} {
			got, err := io.ReadAll(e.NewReader(r))
			if err != nil || string(got) != text {
				t.Errorf("%s, %s: %d bytes of %d, %v", e.Name, name, len(got), len(text), err)
			}
		}
	}
}

func TestBytesThatAreNotOfTheEncoding(t *testing.T) {
	for _, tt := range []struct {
		e         *Encoding
		text, out string
	}{
		{GB18030, "a,\xcd\xf5\xff\xd0\xa1,b\n", "a,王\xffff小,b\n"},
		{GB18030, "a,\xcd,b\n", "a,\xffcd,b\n"},
		{Named("euc-kr"), "a,\xb1\n\xfeA,\xb1\"", "a,\xffb1\n\xfffeA,\xffb1\""},
		{Named("euc-jp"), "\xb1\n\x8f\xb1\n\xb1,", "\xffb1\n\xff8f\xffb1\n\xffb1,"},
		{Named("big5"), "\xa4\n\x81A,", "\xffa4\n\xff81A,"},
		{Named("windows-1250"), "\x81\xa3", "\xff81Ł"},
		{GB18030, "\xcd", "\xffcd"},
		{GB18030, "\x81\x30\x81", "\xff810\xff81"},
		{GB18030, "\x84\x31\xa4\x37\xff", "\ufffd\xffff"},
		{gbk, "\x81\x30\x84\x31", "\xff810\xff841"},
		{ShiftJIS, "\x8d\xb2\xa0\"\x81", "佐\xffa0\"\xff81"},
		{ShiftJIS, "\x80", "\xff80"},
		{Windows1252, "\xe9\x81\x80", "é\xff81€"},
		{Latin1, "\xe9\x80", "é\xff80"},
		{UTF16LE, "a\x00\x00\xd8b\x00", "a\xff00\xffd8b"},
		{UTF16LE, "a\x00\x00\xdc\x01\xdcb\x00", "a\xff00\xffdc\xff01\xffdcb"},
		{UTF16LE, "a\x00\x00\xd8", "a\xff00\xffd8"},
		{UTF16LE, "a\x00b", "a\xff62"},
		{UTF16LE, "\xfd\xff\x00\xdc", "\ufffd\xff00\xffdc"},
		{UTF16BE, "\x00a\xd8\x00\x00b", "a\xffd8\xff00b"},
		{UTF16BE, "\xd8\x3d\xde\x00\xd8", "😀\xffd8"},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text))} {
			got, err := io.ReadAll(tt.e.NewReader(r))
			if err != nil || string(got) != tt.out {
				t.Errorf("%s %q: got %q, %v, want %q", tt.e.Name, tt.text, got, err, tt.out)
			}
		}
	}
}

func TestReaderGivesTheErrorBehindTheText(t *testing.T) {
	broken := fmt.Errorf("broken")
	got, err := io.ReadAll(GB18030.NewReader(io.MultiReader(strings.NewReader("a\xcd\xf5\xcd"), iotest.ErrReader(broken))))
	if err != broken || string(got) != "a王" {
		t.Errorf("%q, %v", got, err)
	}
}

// The samples are short on purpose: files of users have few words in them.
var samples = []struct {
	name string
	e    *Encoding
	text string
}{
	{"Chinese users", GB18030, "姓名;邮箱;部门\n王小明;wang@example.com;销售部\n李娜;li@example.com;研发部\n张伟;zhang@example.com;人力资源\n"},
	{"Chinese names", GB18030, "name,mail\n诸葛亮,a@b.c\n欧阳锋,b@b.c\n司马懿,c@b.c\n上官婉儿,d@b.c\n"},
	{"rare Chinese names", GB18030, "name,mail\n赵翀,a@b.c\n陈喆明,b@b.c\n李彧,c@b.c\n王璟雯,d@b.c\n刘大伟,e@b.c\n黄建国,f@b.c\n"},
	{"Japanese users", ShiftJIS, "氏名,メール,部署\n佐藤 花子,sato@example.jp,営業部\n鈴木 一郎,suzuki@example.jp,開発部\n高橋 健,t@example.jp,総務\n"},
	{"Japanese names", ShiftJIS, "name,mail\n山田太郎,a@b.jp\n渡辺 さくら,b@b.jp\n伊藤美咲,c@b.jp\n小林 翔,d@b.jp\n"},
	{"German users", Windows1252, "name;ort\nMüller;Köln\nSchäfer;Düsseldorf\nWeiß;Nürnberg\nJürgen;Saarbrücken\n"},
	{"French users", Windows1252, "prénom,ville\nZoé,Besançon\nFrançois,Orléans\nHélène,Évry\nGaëlle,Nîmes\nCréée,Sète\n"},
	{"Spanish users", Windows1252, "nombre,ciudad\nMaría Núñez,Málaga\nJosé Peña,León\nÁngel Ibáñez,Cádiz\n"},
	{"prices", Windows1252, "name,note\nAnn,10 €\nZoë,“naïve”\nRené,déjà vu\nJoão,não\nIñaki,año\n"},
	{"UTF-16", UTF16LE, "name,mail\n王小明,wang@example.com\n"},
	{"UTF-16, big-endian", UTF16BE, "name,mail\n一一一,wang@example.com\n"},
	{"UTF-8", UTF8, "name\nZoë\n王\n"},
	{"ASCII", UTF8, "name\nAnn\n"},
}

func TestDetect(t *testing.T) {
	for _, tt := range samples {
		b := encode(t, tt.e, tt.text)
		for _, n := range []int{1, 3, 30} {
			g := Detect(bytes.Repeat(b, n), true)
			t.Logf("%s: %s", tt.name, g)
			if g.Encoding != tt.e || g.Confidence < Likely {
				t.Errorf("%s %d times is taken for %s", tt.name, n, g)
			}
		}
		// A sample that is cut off anywhere is not taken for something else.
		whole := bytes.Repeat(b, 3)
		for n := len(whole) / 2; n < len(whole); n++ {
			if g := Detect(whole[:n], false); g.Encoding != tt.e && g.Confidence > 0 {
				t.Errorf("%s, cut off at %d, is taken for %s", tt.name, n, g)
			}
		}
	}
}

func TestDetectIsNotSure(t *testing.T) {
	must := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, sample := range map[string][]byte{
		"one accent":    []byte("a,b\nx,caf\xe9\n"),
		"one bad byte":  []byte("a,b\nx,\xff\n"),
		"Russian":       must(charmap.Windows1251.NewEncoder().Bytes([]byte("имя,город\nИван Петров,Москва\nОльга Смирнова,Новосибирск\nДмитрий,Казань\n"))),
		"Greek":         must(charmap.Windows1253.NewEncoder().Bytes([]byte("όνομα,πόλη\nΓιώργος,Αθήνα\nΜαρία,Θεσσαλονίκη\n"))),
		"Korean":        must(korean.EUCKR.NewEncoder().Bytes([]byte("mail;name\na;김철수\nb;이영희\nc;박지성\n"))),
		"Japanese, EUC": must(japanese.EUCJP.NewEncoder().Bytes([]byte("名前,部署\n山田太郎,営業部\n渡辺健一,開発部\n伊藤美咲,総務部\n小林翔,人事部\n"))),
		"Taiwanese":     must(traditionalchinese.Big5.NewEncoder().Bytes([]byte("mail;name\na;陳小明\nb;林志玲\nc;黃國華\n"))),
		"Polish":        must(charmap.Windows1250.NewEncoder().Bytes([]byte("mail;name\na;Łukasz Żółć\nb;Michał Święty\nc;Stanisław Wiśniewski\n"))),
		"two in one":    []byte("a,b\n" + strings.Repeat("x,Jos\xc3\xa9\n", 10) + strings.Repeat("x,Jos\xe9 M\xfcller\n", 20)),
		"stray NUL":     []byte("a,b\nx,y\x00\nz,\xc3\xa9\n"),
		"binary":        []byte("\x00\x01\x02\xff\xfd\x80\x81\x00\x00\x7f"),
		"one character": []byte("a,b\n\xcd,x\n"),
	} {
		if g := Detect(sample, true); g.Encoding != UTF8 {
			t.Errorf("%s is taken for %s", name, g)
		}
	}
	// One broken character does not make another encoding of UTF-8.
	if g := Detect([]byte("王小明,\xff,李娜,Zoë\n"), true); g.Encoding != UTF8 || g.Stated {
		t.Errorf("broken UTF-8 is taken for %s", g)
	}
}

// FuzzReader checks that every text is read, to its end, with what is not of the encoding marked, however it comes in.
func FuzzReader(f *testing.F) {
	for i, e := range all {
		f.Add(byte(i), encode(f, e, texts[e]))
	}
	f.Fuzz(func(t *testing.T, i byte, text []byte) {
		e := all[int(i)%len(all)]
		Detect(text, true)
		Detect(text, false)
		if e == UTF8 {
			return
		}
		whole, err := io.ReadAll(e.NewReader(bytes.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		bytewise, err := io.ReadAll(e.NewReader(iotest.OneByteReader(bytes.NewReader(text))))
		if err != nil || !bytes.Equal(whole, bytewise) {
			t.Fatalf("%s %q: at once %q, by bytes %q, %v", e.Name, text, whole, bytewise, err)
		}
		if utf8.Valid(whole) {
			return
		}
		if marks := bytes.Count(whole, []byte{0xff}); !utf8.Valid(bytes.ReplaceAll(whole, []byte{0xff}, nil)) || marks > len(text) {
			t.Fatalf("%s %q: %q", e.Name, text, whole)
		}
	})
}
