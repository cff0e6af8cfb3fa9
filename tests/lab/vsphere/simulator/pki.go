// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// certificateFor makes a key pair for the address, signed by the authority in the folder, and wrong in the way that
// `proof` names. The key stays in memory.
func certificateFor(folder, proof, address string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	signer, err := authorityIn(folder)
	if err != nil {
		return nil, err
	}
	template := newTemplate(host)
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.ParseIP(host)}
	switch proof {
	case "valid":
	case "expired":
		template.NotAfter = time.Now().Add(-time.Minute)
	case "foreign":
		if signer, err = newAuthority("another authority"); err != nil {
			return nil, err
		}
	case "elsewhere":
		template.DNSNames, template.IPAddresses = []string{"elsewhere.invalid"}, nil
	default:
		return nil, fmt.Errorf("-certificate %s: valid, expired, foreign or elsewhere", proof)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}

// authorityIn reads ca.pem and ca.key, or makes them. Without a folder nobody gets to know the authority.
func authorityIn(folder string) (*authority, error) {
	if folder == "" {
		return newAuthority("unknown authority")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "ca.pem"), filepath.Join(folder, "ca.key"))
	if err == nil {
		return &authority{pair.Leaf, pair.PrivateKey.(crypto.Signer)}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	made, err := newAuthority("crossvirt lab")
	if err != nil {
		return nil, err
	}
	return made, made.save(folder)
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := newTemplate(name)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

func (a *authority) save(folder string) error {
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, "ca.key"), "PRIVATE KEY", key, 0o600); err != nil {
		return err
	}
	return writePEM(filepath.Join(folder, "ca.pem"), "CERTIFICATE", a.certificate.Raw, 0o644)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

func newTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100)) // crypto/rand never fails
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
}
