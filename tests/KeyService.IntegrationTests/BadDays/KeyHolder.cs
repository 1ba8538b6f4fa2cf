using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.IntegrationTests.BadDays;

/// <summary>
/// What the child does in <see cref="MemoryTests"/>: a program that uses data keys through the client library. It disposes all but one, says the wrapped
/// forms, and waits.
/// </summary>
internal static class KeyHolder
{
    internal const string ProfileVariable = "KEYSERVICE_TESTS_HOLD_KEYS_BY";
    internal const string Key = "canary";
    private const int Many = 50;

    public static async Task<int> RunAsync(string profile)
    {
        ProcessHardening.DisableCoreDumps();
        var scope = DataKeyScope.General(EncryptionContext.Create("table", Answers.Table));
        DataKey held;
        using (var client = KeyServiceClient.Connect(ClientProfile.Load(profile).ToOptions()))
        {
            held = await client.DataKeys.GenerateAsync(Key, scope);
            for (var i = 0; i < Many; i++)
            {
                using var made = await client.DataKeys.GenerateAsync(Key, scope);
                using var again = await client.DataKeys.UnwrapAsync(made.Wrapped, scope);
                await SayAsync("disposed", made);
            }
        }
        await SayAsync("held", held);
        await Console.Out.WriteLineAsync("done");
        await Console.In.ReadLineAsync();
        held.Dispose();
        await Console.Out.WriteLineAsync("done");
        await Console.In.ReadLineAsync();
        return 0;
    }

    private static Task SayAsync(string what, DataKey key) => Console.Out.WriteLineAsync($"{what} {Convert.ToBase64String(key.Wrapped.Span)}");
}
