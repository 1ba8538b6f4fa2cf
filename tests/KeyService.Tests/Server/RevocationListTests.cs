using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Server.Hosting;

namespace KeyService.Tests.Server;

/// <summary>Revocation lists: what is read, what is refused, what is said of a chain. The lists are made by the base class library, which can write them.</summary>
public sealed class RevocationListTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-crl-").FullName;
    private readonly X509Certificate2 _root = Authority("CN=Root", null);

    public void Dispose()
    {
        _root.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void A_list_is_read_and_says_whom_it_revokes()
    {
        using var client = Client(_root);
        using var other = Client(_root);
        var list = Parsed(Make(_root, client));
        Assert.Equal((1, "CN=Root", Now.AddDays(-1), Now.AddDays(7)), (list.Count, list.IssuerText, list.ThisUpdate, list.NextUpdate));
        Assert.True(list.Revokes(client));
        Assert.False(list.Revokes(other));
        Assert.True(list.IsSignedBy(_root));
    }

    [Fact]
    public void A_list_of_RSA_is_read_too()
    {
        using var key = RSA.Create(2048);
        using var authority = Authority("CN=RSA", key);
        using var client = Client(authority, key);
        var list = Parsed(Make(authority, client));
        Assert.True(list.IsSignedBy(authority));
        Assert.True(list.Revokes(client));
    }

    [Fact]
    public void A_list_without_entries_revokes_nobody()
    {
        using var client = Client(_root);
        Assert.False(Parsed(Make(_root)).Revokes(client));
    }

    [Fact]
    public void Another_authority_of_the_same_name_did_not_sign_it()
    {
        using var impostor = Authority("CN=Root", null);
        var list = Parsed(Make(impostor));
        Assert.True(list.IsSignedBy(impostor));
        Assert.False(list.IsSignedBy(_root));
    }

    [Fact]
    public void An_authority_whose_certificate_is_not_for_lists_did_not_sign_one()
    {
        using var authority = Authority("CN=NoLists", null, X509KeyUsageFlags.KeyCertSign);
        using var signer = Authority("CN=NoLists", authority.GetECDsaPrivateKey()!, X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign);
        var list = Parsed(Make(signer));
        Assert.True(list.IsSignedBy(signer));
        Assert.False(list.IsSignedBy(authority));
    }

    /// <summary>One bit at a time: either it is no list any more, or nobody signed it.</summary>
    [Fact]
    public void A_list_changed_anywhere_is_nobodys()
    {
        using var client = Client(_root);
        var der = Make(_root, client);
        for (var bit = 0; bit < der.Length * 8; bit++)
        {
            var changed = der.ToArray();
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(RevocationList.TryParse(changed, out var list) && list.IsSignedBy(_root), $"bit {bit}");
        }
    }

    [Fact]
    public void A_list_cut_or_lengthened_anywhere_is_none()
    {
        var der = Make(_root);
        for (var length = 0; length < der.Length; length++)
        {
            Assert.False(RevocationList.TryParse(der.AsMemory(0, length), out _));
        }

        Assert.False(RevocationList.TryParse((byte[])[.. der, 0], out _));
    }

    /// <summary>A delta list says by a critical extension that it is one: read as a complete one it would revoke too few.</summary>
    [Theory]
    [InlineData("2.5.29.27")]
    [InlineData("2.5.29.28")]
    public void A_delta_or_a_partial_list_is_refused(string critical) => Assert.False(RevocationList.TryParse(WithExtension(critical, isCritical: true), out _));

    [Fact]
    public void An_extension_that_is_not_critical_changes_nothing() => Assert.True(RevocationList.TryParse(WithExtension("2.5.29.46", isCritical: false), out _));

    [Fact]
    public void Without_a_next_update_it_would_never_be_known_to_be_old() => Assert.False(RevocationList.TryParse(WithExtension(null, false, withNextUpdate: false), out _));

    [Fact]
    public void A_chain_is_good_revoked_without_a_list_or_under_an_expired_one()
    {
        using var intermediate = Authority("CN=Intermediate", null, issuer: _root);
        using var client = Client(intermediate);
        ChainLink[] chain = [new(client, intermediate), new(intermediate, _root)];
        Assert.Equal(RevocationVerdict.Good, Judge(chain, Make(_root), Make(intermediate)));
        Assert.Equal(RevocationVerdict.Revoked, Judge(chain, Make(_root), Make(intermediate, client)));
        Assert.Equal(RevocationVerdict.Revoked, Judge(chain, Make(_root, intermediate), Make(intermediate)));
        Assert.Equal(RevocationVerdict.NoList, Judge(chain, Make(_root)));
        Assert.Equal(RevocationVerdict.NoList, Judge(chain, Make(intermediate)));
        Assert.Equal(RevocationVerdict.Expired, Judge(chain, Make(_root), Made(intermediate, Now, [])));
        Assert.Equal(RevocationVerdict.Good, Judge(chain, false, Make(_root), Made(intermediate, Now, [])));
        // An expired list goes on revoking, whatever is configured.
        Assert.Equal(RevocationVerdict.Revoked, Judge(chain, false, Make(_root), Made(intermediate, Now, [client])));
    }

    [Fact]
    public void Of_two_lists_of_an_authority_the_newer_one_counts()
    {
        using var client = Client(_root);
        var old = Made(_root, Now.AddDays(7), [client], thisUpdate: Now.AddDays(-3));
        Assert.Equal(RevocationVerdict.Good, Judge([new(client, _root)], old, Make(_root)));
        Assert.Equal(RevocationVerdict.Good, Judge([new(client, _root)], Make(_root), old));
    }

    [Fact]
    public void Files_are_PEM_or_DER_and_nothing_else()
    {
        using var client = Client(_root);
        var der = Make(_root, client);
        var pem = Path.Combine(_directory, "two.pem");
        File.WriteAllText(pem, $"{PemEncoding.WriteString("X509 CRL", der)}\n{_root.ExportCertificatePem()}\n{PemEncoding.WriteString("X509 CRL", Make(_root))}\n");
        Assert.Equal(2, RevocationLists.Load(Configured(pem))!.All.Count);
        Assert.Null(RevocationLists.Load(Configured()));
        foreach (var (name, content) in new[] { ("empty", ""), ("certificate.pem", _root.ExportCertificatePem()), ("broken.pem", PemEncoding.WriteString("X509 CRL", der.AsSpan(1))) })
        {
            var path = Path.Combine(_directory, name);
            File.WriteAllText(path, content);
            Assert.Contains(path, Assert.Throws<TlsMaterialException>(() => RevocationLists.Load(Configured(path))).Message, StringComparison.Ordinal);
        }

        Assert.Throws<TlsMaterialException>(() => RevocationLists.Load(Configured(Path.Combine(_directory, "absent"))));
    }

    private RevocationVerdict Judge(ChainLink[] chain, params byte[][] lists) => Judge(chain, true, lists);

    private RevocationVerdict Judge(ChainLink[] chain, bool refusesExpired, params byte[][] lists)
    {
        var paths = lists.Select((list, i) =>
        {
            var path = Path.Combine(_directory, $"{i}.crl");
            File.WriteAllBytes(path, list);
            return path;
        }).ToArray();
        return RevocationLists.Load(Configured(paths) with { RefusesExpiredCrl = refusesExpired })!.Judge(chain, Now).Verdict;
    }

    private static TlsConfiguration Configured(params string[] paths) => new("", "", "") { CrlPaths = paths };

    private static RevocationList Parsed(byte[] der)
    {
        Assert.True(RevocationList.TryParse(der, out var list));
        return list;
    }

    private static byte[] Make(X509Certificate2 authority, params X509Certificate2[] revoked) => Made(authority, Now.AddDays(7), revoked);

    private static byte[] Made(X509Certificate2 authority, DateTimeOffset nextUpdate, X509Certificate2[] revoked, DateTimeOffset? thisUpdate = null)
    {
        var builder = new CertificateRevocationListBuilder();
        foreach (var certificate in revoked)
        {
            builder.AddEntry(certificate, Now.AddDays(-2), X509RevocationReason.KeyCompromise);
        }

        var padding = authority.GetRSAPublicKey() is null ? null : RSASignaturePadding.Pkcs1;
        return builder.Build(authority, BigInteger.One, nextUpdate, HashAlgorithmName.SHA256, padding, thisUpdate ?? Now.AddDays(-1));
    }

    // The base class library writes complete lists only: another extension is put into one by hand and signed anew.
    private byte[] WithExtension(string? id, bool isCritical, bool withNextUpdate = true)
    {
        var tbs = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (tbs.PushSequence())
        {
            tbs.WriteInteger(1);
            WriteAlgorithm(tbs);
            tbs.WriteEncodedValue(_root.SubjectName.RawData);
            tbs.WriteUtcTime(Now.AddDays(-1));
            if (withNextUpdate)
            {
                tbs.WriteUtcTime(Now.AddDays(7));
            }

            if (id is not null)
            {
                using (tbs.PushSequence(new System.Formats.Asn1.Asn1Tag(System.Formats.Asn1.TagClass.ContextSpecific, 0)))
                using (tbs.PushSequence())
                using (tbs.PushSequence())
                {
                    tbs.WriteObjectIdentifier(id);
                    if (isCritical)
                    {
                        tbs.WriteBoolean(true);
                    }

                    tbs.WriteOctetString([2, 1, 1]);
                }
            }
        }

        using var key = _root.GetECDsaPrivateKey()!;
        var list = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (list.PushSequence())
        {
            list.WriteEncodedValue(tbs.Encode());
            WriteAlgorithm(list);
            list.WriteBitString(key.SignData(tbs.Encode(), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        }

        return list.Encode();
    }

    private static void WriteAlgorithm(System.Formats.Asn1.AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier("1.2.840.10045.4.3.2");
        }
    }

    private static X509Certificate2 Authority(
        string name, AsymmetricAlgorithm? key, X509KeyUsageFlags usage = X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, X509Certificate2? issuer = null)
    {
        var elliptic = key as ECDsa ?? ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = key is RSA rsa
            ? new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(name, elliptic, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return issuer is null ? request.CreateSelfSigned(Now.AddDays(-30), Now.AddDays(300))
            : Signed(request, issuer, null).CopyWithPrivateKey(elliptic);
    }

    private static X509Certificate2 Client(X509Certificate2 authority, AsymmetricAlgorithm? authoritysKey = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Signed(new CertificateRequest("CN=client", key, HashAlgorithmName.SHA256), authority, authoritysKey);
    }

    private static X509Certificate2 Signed(CertificateRequest request, X509Certificate2 authority, AsymmetricAlgorithm? authoritysKey)
    {
        var generator = authoritysKey is RSA rsa ? X509SignatureGenerator.CreateForRSA(rsa, RSASignaturePadding.Pkcs1)
            : X509SignatureGenerator.CreateForECDsa(authority.GetECDsaPrivateKey()!);
        return request.Create(authority.SubjectName, generator, Now.AddDays(-10), Now.AddDays(100), RandomNumberGenerator.GetBytes(16));
    }
}
