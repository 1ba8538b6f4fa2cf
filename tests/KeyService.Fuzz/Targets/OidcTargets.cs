using KeyService.Fuzz.Engine;
using KeyService.Server.Oidc;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What an identity provider sends: its key set.</summary>
internal static class OidcTargets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("issuer-keys", [typeof(IssuerKeySet)], KeySet)
        {
            MaxLength = 8192, Words = ["\"kty\":\"RSA\""u8.ToArray(), "\"kty\":\"EC\""u8.ToArray(), "\"crv\":\"P-256\""u8.ToArray(), "\"kid\":\"a\""u8.ToArray(), "\"use\":\"sig\""u8.ToArray()],
            Seeds = () => VectorSeeds.Texts(
                """{"keys":[]}""",
                """{"keys":[{"kty":"EC","crv":"P-256","kid":"a","use":"sig","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}""",
                """{"keys":[{"kty":"EC","crv":"P-384","kid":"a","x":"AA","y":"AA"},{"kty":"oct","kid":"b","k":"AA"},7,null]}""",
                $$"""{"keys":[{"kty":"RSA","kid":"r","n":"{{new string('A', 341)}}Q","e":"AQAB"},{"kty":"RSA","kid":"r","n":"{{new string('A', 341)}}Q","e":"AQAB"}]}"""),
        },
    ];

    private static Outcome KeySet(byte[] input)
    {
        try
        {
            var keys = IssuerKeySet.Parse(input);
            Unless(keys.All(each => each.Key == (each.Value.Id, each.Value.Algorithm) && each.Value.Key.KeyId == each.Value.Id), "a key stands under its own id and algorithm");
            return Outcome.Taken(Math.Min(keys.Count, 8));
        }
        catch (FormatException)
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
    }
}
