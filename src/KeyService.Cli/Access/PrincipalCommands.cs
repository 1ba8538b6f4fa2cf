using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Access;

/// <summary><c>keyservice principal …</c></summary>
internal static class PrincipalCommands
{
    private static readonly Dictionary<string, PrincipalType> Types = new(StringComparer.Ordinal)
    {
        ["service"] = PrincipalType.Service,
        ["person"] = PrincipalType.Person,
        ["ai-system"] = PrincipalType.AiSystem,
    };

    public static Command Create() => new("principal", "Register, list and disable who may call") { New(), List(), Disable() };

    private static Command New()
    {
        var name = Name();
        var type = new Option<string>("--type")
        {
            Description = "service, person or ai-system",
            HelpName = "TYPE",
            DefaultValueFactory = _ => "service",
        };
        type.AcceptOnlyFromAmong([.. Types.Keys]);
        var uri = new Option<string?>("--certificate-uri") { Description = "URI in the certificate's subject alternative names", HelpName = "URI" };
        var certificate = new Option<string?>("--certificate") { Description = "PEM certificate, whose public key is registered", HelpName = "FILE" };
        var hash = new Option<string?>("--public-key-sha256")
        {
            Description = "SHA-256 of the certificate's public key, 64 hexadecimal digits",
            HelpName = "HEX",
        };
        var uid = new Option<uint?>("--unix-uid") { Description = "User id on the Unix socket", HelpName = "UID" };
        var issuer = new Option<string?>("--oidc-issuer") { Description = "Issuer of access tokens, as they have it in \"iss\"; with --oidc-subject", HelpName = "URL" };
        var subject = new Option<string?>("--oidc-subject") { Description = "Subject of access tokens, as they have it in \"sub\"", HelpName = "TEXT" };
        var requestId = GlobalOptions.RequestId();
        return new Command("create", "Register a principal by one credential")
        {
            name, type, uri, certificate, hash, uid, issuer, subject, requestId,
        }.Runs(async run =>
        {
            Credential?[] given =
            [
                run.Get(uri) is { } text ? new Credential { CertificateSanUri = text } : null,
                run.Get(certificate) is { } path ? new Credential { CertificatePublicKeySha256 = PublicKeyHash(path) } : null,
                run.Get(hash) is { } hex ? new Credential { CertificatePublicKeySha256 = hex } : null,
                run.Get(uid) is { } id ? new Credential { UnixUid = id } : null,
                run.Get(issuer) is { } url && run.Get(subject) is { } sub ? new Credential { OidcSubject = new OidcSubject { Issuer = url, Subject = sub } } : null,
            ];
            if (given.Count(one => one is not null) != 1 || run.Get(issuer) is null != run.Get(subject) is null)
            {
                throw CliError.Usage("A principal has exactly one credential.",
                    "Give one of --certificate-uri, --certificate, --public-key-sha256, --unix-uid, --oidc-issuer with --oidc-subject.");
            }
            using var client = run.Connect();
            var principal = await client.Access.CreatePrincipalAsync(
                run.Get(name), Types[run.Required(type)], given.First(one => one is not null)!, run.Get(requestId), run.Cancellation)
                .ConfigureAwait(false);
            run.Report.Write(AccessRecords.Of(principal));
        });
    }

    private static Command List() => new Command("list", "List principals").Runs(async run =>
    {
        using var client = run.Connect();
        await run.Report.WriteListAsync(
            client.Access.ListPrincipalsAsync(run.Cancellation).Select(AccessRecords.Of),
            "No principals.", run.Cancellation).ConfigureAwait(false);
    });

    private static Command Disable()
    {
        var name = Name();
        var requestId = GlobalOptions.RequestId();
        return new Command("disable", "Refuse a principal everywhere, from now on") { name, requestId }.Runs(async run =>
        {
            using var client = run.Connect();
            run.Report.Write(AccessRecords.Of(
                await client.Access.DisablePrincipalAsync(run.Get(name), run.Get(requestId), run.Cancellation).ConfigureAwait(false)));
        });
    }

    private static Argument<string> Name() => new("NAME") { Description = "Name of the principal: [a-z0-9._-], at most 64" };

    private static string PublicKeyHash(string path)
    {
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificateFromFile(path);
            return Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw CliError.Usage($"{path} is not a certificate that can be read.", "Name a PEM or DER file with one certificate.");
        }
    }
}
