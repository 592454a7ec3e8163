package policy

// OpenSSLName is openSSLName, for the tests against OpenSSL.
var OpenSSLName = openSSLName
