package profile

import (
	"slices"
	"strings"
)

// targetNames are the names, as normalised gives them, that fields of legacy systems have for attributes of the canonical
// user, the surest first.
var targetNames = map[string][]string{
	"email": {"email", "mail", "emailaddress", "useremail", "邮箱", "电子邮箱", "电子邮件", "邮箱地址", "mailaddress", "primaryemail", "contactemail", "emailaddr",
		"correo", "correoelectronico", "courriel", "メールアドレス", "이메일"},
	"email_verified": {"emailverified", "isemailverified", "emailisverified", "mailverified", "emailconfirmed", "isemailconfirmed", "verifiedemail", "emailverifiedat",
		"emailconfirmedat", "邮箱是否验证", "邮箱是否已验证", "邮箱已验证", "邮箱验证", "confirmedat"},
	"phone_number": {"phonenumber", "phone", "mobile", "mobilephone", "mobilenumber", "cellphone", "手机号", "手机号码", "手机", "电话", "电话号码", "联系电话", "userphone", "usermobile", "tel", "telephone",
		"telephonenumber", "phoneno", "mobileno", "cell", "msisdn", "telefon", "telefono", "handy", "電話番号", "휴대폰"},
	"phone_number_verified": {"phonenumberverified", "phoneverified", "isphoneverified", "mobileverified", "phoneconfirmed", "手机是否验证", "手机号是否验证", "手机已验证"},
	"preferred_username": {"preferredusername", "username", "userlogin", "login", "loginname", "用户名", "登录名", "账号", "帐号", "account", "accountname", "uname", "handle", "screenname",
		"usuario", "benutzername", "ユーザー名"},
	"external_id": {"externalid", "userid", "id", "uid", "oid", "sub", "guid", "uuid", "用户id", "编号", "用户编号", "accountid", "memberid", "customerid", "legacyid", "工号", "memberno", "customerno",
		"employeeid", "employeenumber", "localid"},
	"name":        {"name", "fullname", "displayname", "realname", "姓名", "真实姓名", "显示名", "名字", "cn", "nombre", "nom", "completename"},
	"given_name":  {"givenname", "firstname", "forename", "fname", "名", "vorname", "prenom"},
	"family_name": {"familyname", "lastname", "surname", "lname", "姓", "sn", "nachname", "apellido", "apellidos"},
	"middle_name": {"middlename"},
	"nickname":    {"nickname", "nick", "昵称", "usernicename", "alias"},
	"profile":     {"profile", "profileurl", "homepageurl"},
	"picture":     {"picture", "avatar", "avatarurl", "photo", "photourl", "pictureurl", "image", "imageurl", "头像", "headimgurl", "headimg"},
	"website":     {"website", "url", "userurl", "homepage", "blog", "个人网站", "网站"},
	"gender":      {"gender", "sex", "性别", "geschlecht", "genero", "sexe"},
	"birthdate":   {"birthdate", "birthday", "dateofbirth", "dob", "born", "birth", "生日", "出生日期", "geburtsdatum", "fechadenacimiento"},
	"zoneinfo":    {"zoneinfo", "timezone", "tz", "时区"},
	"locale":      {"locale", "language", "lang", "preferredlanguage", "语言"},
	"disabled": {"disabled", "isdisabled", "blocked", "isblocked", "banned", "isbanned", "suspended", "issuspended", "deactivated", "locked", "islocked", "是否被禁用", "是否禁用", "已禁用", "禁用",
		"active", "isactive", "enabled", "isenabled", "启用", "是否启用", "已激活"},
	"roles":             {"roles", "role", "角色", "userroles", "rolenames"},
	"groups":            {"groups", "group", "usergroups", "memberof", "用户组"},
	"identities":        {"identities"},
	"logins_count":      {"loginscount", "logincount", "loginsnumber", "numlogins", "signincount", "登录次数"},
	"last_login":        {"lastlogin", "lastloginat", "lastlogintime", "lastlogindate", "lastsignin", "lastsigninat", "lastsignedinat", "loggedinat", "最后登录时间", "最近登录", "lastlogints", "lastseen", "lastseenat", "currentsigninat"},
	"created_at":        {"createdat", "created", "createtime", "creationtime", "createdtime", "createdtimestamp", "datecreated", "createddate", "creationdate", "registeredat", "registered", "userregistered", "registerdate", "registertime", "registrationdate", "datejoined", "joinedat", "joined", "signupdate", "signedupat", "regdate", "regtime", "注册时间", "创建时间", "注册日期", "创建日期", "createdon", "ctime"},
	"updated_at":        {"updatedat", "updated", "updatetime", "lastmodified", "modified", "modifiedat", "modifiedon", "datemodified", "lastupdated", "updatedon", "changedat", "更新时间", "修改时间", "mtime"},
	"custom_attributes": {"customattributes"},
	"user_metadata":     {"usermetadata"},
	"app_metadata":      {"appmetadata"},

	"address.formatted":      {"address", "fulladdress", "地址", "postaladdress", "联系地址"},
	"address.street_address": {"street", "streetaddress", "addressline1", "address1", "街道", "strasse"},
	"address.locality":       {"city", "locality", "town", "城市", "ort", "ciudad"},
	"address.region":         {"state", "region", "province", "省份", "省"},
	"address.postal_code":    {"postalcode", "zip", "zipcode", "postcode", "邮编", "邮政编码", "plz"},
	"address.country":        {"country", "countrycode", "国家", "land", "pais"},
}

// inverted are the names of fields that say the opposite of disabled.
var inverted = map[string]bool{"active": true, "isactive": true, "enabled": true, "isenabled": true, "启用": true, "是否启用": true, "已激活": true}

var (
	passwordNames = []string{"password", "passwd", "passwordhash", "hashedpassword", "encryptedpassword", "pwdhash", "pwd", "passhash", "userpass", "userpassword", "pass", "hash", "密码", "密码哈希",
		"passwordenc", "cryptedpassword", "passworddigest", "hashpassword", "pw", "pwhash", "secret", "credential", "passwort", "contrasena"}
	saltNames = []string{"salt", "passwordsalt", "pwdsalt", "usersalt", "hashsalt", "盐", "passsalt"}
)

// deletedNames are the names of fields that say that a user is gone.
var deletedNames = []string{"deletedat", "deleted", "isdeleted", "deletedon", "deletiondate", "removedat", "softdeleted", "isremoved", "已删除", "是否删除", "删除时间"}

// commonStart are words that systems put before the names of all columns.
var commonStart = []string{"user", "usr", "member", "customer", "account", "contact", "profile", "person", "u", "f", "x"}

// wholeNames are all names that mean something as they are.
var wholeNames = func() map[string]bool {
	m := map[string]bool{}
	for _, names := range targetNames {
		for _, name := range names {
			m[name] = true
		}
	}
	return m
}()

// nameScore says how surely a name means one of the names, 0 for not at all.
func nameScore(normal string, names []string) int {
	if i := slices.Index(names, normal); i >= 0 {
		return 100 - i
	}
	if wholeNames[normal] {
		return 0 // username is no name
	}
	for _, start := range commonStart {
		if rest, ok := strings.CutPrefix(normal, start); ok && len(rest) > 1 {
			if i := slices.Index(names, rest); i >= 0 {
				return 60 - i
			}
		}
	}
	return 0
}

func isPassword(normal string) bool {
	return nameScore(normal, passwordNames) > 0 || strings.Contains(normal, "password") || strings.Contains(normal, "passwd") || strings.Contains(normal, "密码")
}

func isPhone(normal string) bool { return nameScore(normal, targetNames["phone_number"]) > 0 }

// isTime reports whether a name speaks of a point in time.
func isTime(normal string) bool {
	for _, target := range []string{"created_at", "updated_at", "last_login", "birthdate"} {
		if nameScore(normal, targetNames[target]) > 0 {
			return true
		}
	}
	for _, word := range []string{"time", "date", "时间", "日期"} {
		if strings.Contains(normal, word) {
			return true
		}
	}
	return strings.HasSuffix(normal, "at") || strings.HasSuffix(normal, "on") || strings.HasSuffix(normal, "ts")
}

// personalNames are words for what names of fields tell about a person, beyond the attributes of the canonical user.
var personalNames = []struct {
	word  string
	names []string
}{
	{"ip address", []string{"ip", "lastip", "ipaddress", "registerip", "signupip", "lastloginip"}},
	{"identity number", []string{"身份证", "身份证号", "idcard", "idnumber", "ssn", "nationalid", "passport", "taxid"}},
	{"health", []string{"bloodtype", "disability"}},
	{"bank account", []string{"iban", "bankaccount", "cardnumber", "creditcard", "银行卡", "银行卡号"}},
}

// personalTargets are the attributes that tell who or where a person is, in words.
var personalTargets = []struct{ target, word string }{
	{"email", "email"}, {"phone_number", "phone number"}, {"preferred_username", "user name"}, {"name", "name"}, {"given_name", "name"},
	{"family_name", "name"}, {"middle_name", "name"}, {"nickname", "name"}, {"picture", "picture"}, {"gender", "gender"},
	{"birthdate", "date of birth"}, {"address.formatted", "address"}, {"address.street_address", "address"},
	{"address.locality", "address"}, {"address.postal_code", "address"},
}

// personal says in a word what the field tells about a person.
func (f *collected) personal(normal string) string {
	switch {
	case f.Secret:
		return ""
	case f.share(formatEmail) > 0.5:
		return "email"
	case f.share(formatE164) > 0.5:
		return "phone number"
	case f.share(formatIP) > 0.5:
		return "ip address"
	}
	for _, p := range personalNames {
		if slices.Contains(p.names, normal) {
			return p.word
		}
	}
	for _, p := range personalTargets {
		if nameScore(normal, targetNames[p.target]) > 0 && f.kind() != "boolean" {
			return p.word
		}
	}
	return ""
}
