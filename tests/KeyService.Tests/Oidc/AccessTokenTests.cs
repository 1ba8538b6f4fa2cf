using System.Security.Cryptography;
using System.Text;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Oidc;
using KeyService.Server.Pipeline;
using Credential = KeyService.Server.Access.Credential;

namespace KeyService.Tests.Oidc;

/// <summary>Which access tokens name somebody. Tokens are signed by the base class library, so that what makes and what checks share nothing.</summary>
public sealed class AccessTokenTests : IDisposable
{
    private static readonly Peer Anybody = new("mtls", [Credential.OfUid(1)], "10.0.0.7:1234", DateTimeOffset.MaxValue);
    private readonly TestIssuer _issuer = new();

    public void Dispose() => _issuer.Dispose();

    [Theory]
    [InlineData("ES256")]
    [InlineData("RS256")]
    [InlineData("PS256")]
    public async Task A_token_of_the_issuer_for_this_service_names_its_subject_until_it_expires(string alg)
    {
        var record = new AuditRecordDraft(AuditEvent.StatusRead);
        var peer = await _issuer.Tokens.AddAsync(Anybody, $"Bearer {_issuer.Token(alg: alg)}", record, default);
        Assert.Equal([new Credential(CredentialKind.OidcSubject, $"{TestIssuer.Url} job-1"), Anybody.Credentials[0]], peer.Credentials);
        Assert.Equal(("mtls+oidc", "mtls+oidc"), (peer.Authentication, record.Authentication));
        Assert.Equal(_issuer.Time.GetUtcNow().AddSeconds(330), peer.NotAfter);
    }

    [Fact]
    public async Task A_call_without_one_is_what_its_certificate_says() =>
        Assert.Same(Anybody, await _issuer.Tokens.AddAsync(Anybody, "", new AuditRecordDraft(AuditEvent.StatusRead), default));

    [Fact]
    public async Task Forged_tokens_are_refused()
    {
        await RefusedAsync("algorithm", _issuer.Token(header => header["alg"] = "none", sign: _ => []));
        await RefusedAsync("algorithm", _issuer.Token(header => header["alg"] = "nOnE", sign: _ => []));
        // The public key, which everybody has, as the secret of a MAC.
        byte[][] publics = [_issuer.Ec.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(_issuer.Ec.ExportSubjectPublicKeyInfoPem()), _issuer.Rsa.ExportSubjectPublicKeyInfo()];
        foreach (var key in publics)
        {
            await RefusedAsync("algorithm", _issuer.Token(header => header["alg"] = "HS256", sign: text => HMACSHA256.HashData(key, text)));
            await RefusedAsync("not signed", _issuer.Token(sign: text => HMACSHA256.HashData(key, text)));
        }

        await RefusedAsync("not signed", _issuer.Token(sign: text => new byte[64]));
        await RefusedAsync("not signed", _issuer.Token(sign: text => []));
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await RefusedAsync("not signed", _issuer.Token(sign: text => other.SignData(text, HashAlgorithmName.SHA256)));
        await RefusedAsync("a key that the issuer does not have", _issuer.Token(header => header["kid"] = "rsa-1"));
        await RefusedAsync("a key that the issuer does not have", _issuer.Token(header => header["kid"] = _issuer.EcId, alg: "RS256"));
        await RefusedAsync("a key that the issuer does not have", _issuer.Token(header => header["kid"] = "unknown"));
        await RefusedAsync("a key that the issuer does not have", _issuer.Token(header => header.Remove("kid")));
        // Keys that the token brings along are nobody's.
        await RefusedAsync("a key that the issuer does not have", _issuer.Token(
            header => (header["kid"], header["jwk"]) = ("mine", _issuer.EcJwk("mine", other)), sign: text => other.SignData(text, HashAlgorithmName.SHA256)));
        await RefusedAsync("not signed", _issuer.Token(header => header["jwk"] = _issuer.EcJwk(_issuer.EcId, other), sign: text => other.SignData(text, HashAlgorithmName.SHA256)));
    }

    [Fact]
    public async Task A_token_altered_in_any_character_is_refused()
    {
        var token = _issuer.Token();
        await _issuer.Tokens.ValidateAsync(token, default);
        for (var at = 0; at < token.Length; at += 3)
        {
            var altered = token.ToCharArray();
            altered[at] = altered[at] switch { 'A' => 'B', '.' => '-', _ => 'A' };
            await Assert.ThrowsAsync<RefusedTokenException>(async () => await _issuer.Tokens.ValidateAsync(new string(altered), default));
        }
    }

    [Fact]
    public async Task Tokens_for_others_and_of_others_are_refused()
    {
        await RefusedAsync("another audience", _issuer.Token(claims: claims => claims["aud"] = "https://elsewhere.test"));
        await RefusedAsync("another audience", _issuer.Token(claims: claims => claims["aud"] = TestIssuer.Audience + "/"));
        await RefusedAsync("another audience", _issuer.Token(claims: claims => claims.Remove("aud")));
        await _issuer.Tokens.ValidateAsync(_issuer.Token(claims: claims => claims["aud"] = new[] { "https://elsewhere.test", TestIssuer.Audience }), default);
        var fetches = _issuer.Fetches;
        await RefusedAsync("another issuer", _issuer.Token(claims: claims => claims["iss"] = "https://issuer.test"));
        await RefusedAsync("another issuer", _issuer.Token(claims: claims => claims["iss"] = TestIssuer.Url + "/"));
        await RefusedAsync("another issuer", _issuer.Token(claims: claims => claims.Remove("iss")));
        Assert.Equal(fetches, _issuer.Fetches);
        await RefusedAsync("subject", _issuer.Token(claims: claims => claims.Remove("sub")));
        await RefusedAsync("subject", _issuer.Token(claims: claims => claims["sub"] = "a b"));
    }

    [Fact]
    public async Task Times_count_with_thirty_seconds_of_slack()
    {
        long Now() => _issuer.Time.GetUtcNow().ToUnixTimeSeconds();
        await _issuer.Tokens.ValidateAsync(_issuer.Token(claims: claims => claims["exp"] = Now() - 29), default);
        await RefusedAsync("expired", _issuer.Token(claims: claims => claims["exp"] = Now() - 30));
        await RefusedAsync("expired", _issuer.Token(claims: claims => claims.Remove("exp")));
        await _issuer.Tokens.ValidateAsync(_issuer.Token(claims: claims => claims["nbf"] = Now() + 30), default);
        await RefusedAsync("expired, or not valid yet", _issuer.Token(claims: claims => claims["nbf"] = Now() + 31));
        var token = _issuer.Token();
        _issuer.Time.Advance(TimeSpan.FromSeconds(330));
        await RefusedAsync("expired", token);
    }

    [Fact]
    public async Task An_ID_token_is_no_access_token_unless_the_issuer_knows_no_other()
    {
        await RefusedAsync("type", _issuer.Token(header => header["typ"] = "JWT"));
        await RefusedAsync("type", _issuer.Token(header => header.Remove("typ")));
        await _issuer.Tokens.ValidateAsync(_issuer.Token(header => header["typ"] = "application/AT+JWT"), default);
        using var older = new TestIssuer(anyType: true);
        await older.Tokens.ValidateAsync(older.Token(header => header["typ"] = "JWT"), default);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("a.b.c")]
    [InlineData("..")]
    [InlineData("e30.e30.")]
    [InlineData("e30.e30.e30.e30.e30")]
    public async Task What_is_no_token_is_refused(string text) => await Assert.ThrowsAsync<RefusedTokenException>(async () => await _issuer.Tokens.ValidateAsync(text, default));

    [Fact]
    public async Task A_token_that_is_too_long_is_refused() =>
        await RefusedAsync("not a signed token", _issuer.Token(claims: claims => claims["x"] = new string('x', AccessTokens.MaxLength)));

    [Fact]
    public async Task The_caller_hears_one_sentence_and_the_record_why()
    {
        var record = new AuditRecordDraft(AuditEvent.StatusRead);
        var one = await Assert.ThrowsAsync<Refusal>(async () => await _issuer.Tokens.AddAsync(Anybody, "Bearer x", record, default));
        var other = await Assert.ThrowsAsync<Refusal>(async () => await _issuer.Tokens.AddAsync(Anybody, $"Bearer {_issuer.Token(claims: claims => claims["aud"] = "x")}", record, default));
        Assert.Equal((Reason.UnknownPrincipal, one.Message), (other.Reason, other.Message));
        Assert.Equal((AuditEvent.AuthenticationRefused, "access token: for another audience"), (record.Event, record.Detail));
    }

    [Fact]
    public async Task A_key_that_was_rotated_is_fetched_and_the_old_one_counts_no_more()
    {
        var old = _issuer.Token();
        await _issuer.Tokens.ValidateAsync(old, default);
        _issuer.Rotate();
        // Not again at once: whoever makes key ids up does not make the service fetch.
        await RefusedAsync("does not have", _issuer.Token());
        await RefusedAsync("does not have", _issuer.Token());
        Assert.Equal(2, _issuer.Fetches);
        _issuer.Time.Advance(IssuerKeys.Pause);
        await _issuer.Tokens.ValidateAsync(_issuer.Token(), default);
        await RefusedAsync("does not have", old);
        Assert.Equal(4, _issuer.Fetches);
    }

    [Fact]
    public async Task While_the_issuer_is_down_its_keys_go_on_for_a_day_and_no_longer()
    {
        await _issuer.Tokens.ValidateAsync(_issuer.Token(), default);
        _issuer.IsDown = true;
        _issuer.Time.Advance(TimeSpan.FromHours(24) - TimeSpan.FromSeconds(1));
        await _issuer.Tokens.ValidateAsync(_issuer.Token(), default);
        _issuer.Time.Advance(TimeSpan.FromSeconds(1));
        var record = new AuditRecordDraft(AuditEvent.StatusRead);
        var refusal = await Assert.ThrowsAsync<Refusal>(async () => await _issuer.Tokens.AddAsync(Anybody, $"Bearer {_issuer.Token()}", record, default));
        Assert.Contains("has not answered with its keys since 2026-03-01 10:00:00Z", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Certificates go on", refusal.Message, StringComparison.Ordinal);
        _issuer.IsDown = false;
        _issuer.Time.Advance(IssuerKeys.Pause);
        await _issuer.Tokens.ValidateAsync(_issuer.Token(), default);
    }

    [Fact]
    public async Task Without_ever_an_answer_there_is_nothing_to_go_on_with()
    {
        _issuer.IsDown = true;
        await Assert.ThrowsAsync<IssuerUnavailableException>(async () => await _issuer.Tokens.ValidateAsync(_issuer.Token(), default));
    }

    [Theory]
    [InlineData("https://issuer.test", "https://issuer.test/jwks")]
    [InlineData(TestIssuer.Url, "http://issuer.test/jwks")]
    [InlineData(TestIssuer.Url, "file:///etc/passwd")]
    [InlineData(TestIssuer.Url, "jwks")]
    public async Task A_discovery_document_of_somebody_else_or_with_keys_in_the_clear_is_not_believed(string issuer, string keys)
    {
        (_issuer.DiscoveryIssuer, _issuer.KeysUrl) = (issuer, keys);
        await Assert.ThrowsAsync<IssuerUnavailableException>(async () => await _issuer.Tokens.ValidateAsync(_issuer.Token(), default));
    }

    [Fact]
    public async Task Weak_foreign_and_ambiguous_keys_of_the_set_are_passed_over()
    {
        using var weak = RSA.Create(1024);
        using var wide = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var fine = RSA.Create(2048);
        var encrypts = TestIssuer.RsaJwk("enc", fine);
        encrypts["use"] = "enc";
        _issuer.MoreKeys.AddRange(
        [
            TestIssuer.RsaJwk("weak", weak), encrypts, TestIssuer.RsaJwk("ps", fine, "PS256"), TestIssuer.RsaJwk("twice", fine), TestIssuer.RsaJwk("twice", weak),
            new { kty = "oct", kid = "oct", k = TestIssuer.Part(new byte[32]) }, new { kty = "EC", kid = "broken", crv = "P-256", x = "?", y = "?" }, 7,
        ]);
        Func<byte[], byte[]> byFine = text => fine.SignData(text, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        await RefusedAsync("does not have", _issuer.Token(header => header["kid"] = "weak", alg: "RS256", sign: text => weak.SignData(text, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)));
        await RefusedAsync("does not have", _issuer.Token(header => header["kid"] = "enc", alg: "RS256", sign: byFine));
        await RefusedAsync("does not have", _issuer.Token(header => header["kid"] = "ps", alg: "RS256", sign: byFine));
        await _issuer.Tokens.ValidateAsync(_issuer.Token(header => header["kid"] = "ps", alg: "PS256", sign: text => fine.SignData(text, HashAlgorithmName.SHA256, RSASignaturePadding.Pss)), default);
        await _issuer.Tokens.ValidateAsync(_issuer.Token(header => header["kid"] = "twice", alg: "RS256", sign: byFine), default);
        await _issuer.Tokens.ValidateAsync(_issuer.Token(), default);
    }

    [Fact]
    public void A_credential_is_issuer_and_subject_and_nothing_that_could_be_another()
    {
        Assert.True(Credential.TryOfOidc(TestIssuer.Url, "a|b@c", out var credential));
        Assert.Equal($"{TestIssuer.Url} a|b@c", credential.Value);
        Assert.All(new[] { "", "a b", "a\n", "\u00fc", new string('a', 256) }, subject => Assert.False(Credential.TryOfOidc(TestIssuer.Url, subject, out _)));
        Assert.False(Credential.TryOfOidc("issuer", "a", out _));
    }

    private async Task RefusedAsync(string why, string token) =>
        Assert.Contains(why, (await Assert.ThrowsAsync<RefusedTokenException>(async () => await _issuer.Tokens.ValidateAsync(token, default))).Message, StringComparison.Ordinal);
}
